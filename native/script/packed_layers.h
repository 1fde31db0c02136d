// Which layers of a frozen graph run as our own packed operators (ops/packed.h), and their weights
// in that form. Owns nothing: the values belong to the graph.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include "graph_parts.h"

namespace torchdet::script {

// What follows a layer and is done with it.
struct Tail {
  Activation activation;
  torch::jit::Value* other = nullptr;  // added before the activation
};

// Inserts the packed form of an aten::conv2d or aten::linear with constant weights where the
// graph's insert point is, and gives its output; nullptr where there is none or it would not be
// faster.
torch::jit::Value* insert_packed(torch::jit::Graph& graph, torch::jit::Node* layer,
                                 const Tail& tail);

}  // namespace torchdet::script
