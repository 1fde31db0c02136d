// The network of an R-CNN module tree, as the detection code calls it: in the exact form, submodule
// by submodule as described, in the training form, the same channels last, or in the compiled form,
// frozen and fused (inference_compiler.h). All share the module's weights at construction; the
// compiled form holds folded copies of its own, so it must be made anew when weights change.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>

#include "../detection/network.h"
#include "precision.h"

namespace torchdet::script {

std::unique_ptr<detection::RcnnNetwork> make_exact_network(const torch::jit::Module& module);
std::unique_ptr<detection::RcnnNetwork> make_training_network(const torch::jit::Module& module);
std::unique_ptr<detection::RcnnNetwork> make_compiled_network(const torch::jit::Module& module,
                                                              const PrecisionPlan& plan = {});

}  // namespace torchdet::script
