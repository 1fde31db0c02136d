// A module's tensors by torchvision's names: listing, handing out, and copying in. Tensors handed
// out share the module's memory.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <unordered_map>
#include <vector>

namespace torchdet::script {

struct StateEntry {
  std::string name;
  bool is_parameter = false;
  at::Tensor tensor;
};

// Own parameters and buffers of each module in registration order, then its children's: torch's
// order.
std::vector<StateEntry> state_of(const torch::jit::Module& module);

// Copies values in, casting the dtype; every name must exist with the same shape.
void load_state(const torch::jit::Module& module,
                const std::unordered_map<std::string, at::Tensor>& values);

void set_requires_grad(const torch::jit::Module& module, const std::vector<std::string>& names,
                       bool requires_grad);

}  // namespace torchdet::script
