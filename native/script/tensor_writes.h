// What a graph writes in place, and into which tensors. Belongs to the graph it was made of, which
// must outlive it unchanged.
#pragma once

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/ir.h>

#include <vector>

namespace torchdet::script {

class TensorWrites {
 public:
  explicit TensorWrites(torch::jit::Graph& graph);

  // Whether anything is written to a tensor, or to a view of it, once it has been made.
  bool change(torch::jit::Value* value) const;

 private:
  void collect(torch::jit::Block* block);
  bool writes(torch::jit::Node* node, torch::jit::Value* value) const;

  torch::jit::AliasDb aliases_;
  std::vector<torch::jit::Node*> writers_;
};

}  // namespace torchdet::script
