// Networks hand feature maps on in dictionaries with constant keys. This pass lets readers have the
// tensors themselves, so that other passes see who reads what. Owns nothing.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>

namespace torchdet::script {

// Replaces what is read of a dictionary by what was put in, where both happen in the block that
// makes it, under constant keys, and nobody else has it but the graph's result. Dictionaries that
// nobody needs any more are removed.
void forward_dicts(const std::shared_ptr<torch::jit::Graph>& graph);

}  // namespace torchdet::script
