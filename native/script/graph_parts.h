// Questions about a graph's nodes and values that the passes over it share. Owns nothing: what is
// given and returned belongs to the graph.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <vector>

namespace torchdet::script {

// An activation that oneDNN and our own operators apply inside a layer, as
// mkldnn::_convolution_pointwise calls it.
struct Activation {
  std::string name = "none";
  std::vector<double> scalars;  // of hardtanh: low and high
};

bool is(const torch::jit::Node* node, const char* name);
bool is_tensor(const torch::jit::Value* value);

// The one node that reads a value, where it stands in the block that makes it; else null.
torch::jit::Node* only_user(torch::jit::Value* value);

std::optional<double> constant_number(torch::jit::Value* value);

// What a node is, where it is an activation; a null node is none.
std::optional<Activation> activation_of(torch::jit::Node* node);

// The list of an activation's scalars as oneDNN's operators take it, where the graph's insert point
// is.
torch::jit::Value* insert_scalars(torch::jit::Graph& graph, const std::vector<double>& scalars);

}  // namespace torchdet::script
