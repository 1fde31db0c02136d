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

// What `value` was made of where it has the same numbers at other places: the input of a max
// pooling or of a nearest-neighbour upsampling; else null.
torch::jit::Value* rearranged_from(torch::jit::Value* value);

// Whether a node asks for a tensor's sizes only, which its bytes have too.
bool reads_sizes(const torch::jit::Node* node);

}  // namespace torchdet::script
