// Which operations of a frozen graph can run in int8, and which of its tensors they read and write.
// The same graph always gives the same answer: ranges measured on one copy fit another. Points into
// the graph, which must outlive it unchanged.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "graph_parts.h"

namespace torchdet::script {

// A convolution or a linear layer with constant weights, and what oneDNN does in the same step: an
// activation, or the sum with a tensor that is quantized too and a ReLU.
struct QuantizationSite {
  torch::jit::Node* op = nullptr;      // aten::conv2d or aten::linear
  torch::jit::Node* last = nullptr;    // of what runs in one step: op itself, or what follows it
  torch::jit::Value* other = nullptr;  // of the sum
  Activation activation;

  torch::jit::Value* input() const { return op->input(0); }
  torch::jit::Value* output() const { return last->output(); }
  bool is_linear() const;
};

// In the order in which they run.
std::vector<QuantizationSite> find_quantization_sites(torch::jit::Graph& graph);

// The tensors whose ranges the sites need: each once, in the order in which sites name them.
std::vector<torch::jit::Value*> observed_values(const std::vector<QuantizationSite>& sites);

// The pooled tensor's input where `value` is the result of a max pooling, else null.
torch::jit::Value* pooled_from(torch::jit::Value* value);

}  // namespace torchdet::script
