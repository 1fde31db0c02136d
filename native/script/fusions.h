// Rewrites of a frozen inference graph on the CPU.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace torchdet::script {

// conv2d with constant weights, alone, with ReLU, or with add and ReLU, becomes oneDNN's fused
// convolution with channels-last weights. Graphs whose weights are on another device are left as
// they are.
void fuse_convolutions(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchdet::script
