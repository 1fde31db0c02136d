// Rewrites of a frozen inference graph on the CPU.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace torchdet::script {

// conv2d and linear with constant weights, alone, with an activation, with a sum, or with a sum and
// ReLU, become our packed layers, or where those would not be faster oneDNN's fused convolution
// with channels-last weights. Graphs whose weights are on another device are left as they are.
void fuse_layers(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchdet::script
