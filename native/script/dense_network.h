// The network of a one-stage detector's module tree, as the detection code calls it: in the exact
// form, submodule by submodule as described, in the training form, the same channels last, or in
// the compiled form, frozen and fused (inference_compiler.h). What network.h says of weights holds
// here too.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <memory>

#include "../detection/network.h"
#include "precision.h"

namespace torchdet::script {

std::unique_ptr<detection::DenseNetwork> make_exact_dense_network(const torch::jit::Module& module);
std::unique_ptr<detection::DenseNetwork> make_training_dense_network(
    const torch::jit::Module& module);
std::unique_ptr<detection::DenseNetwork> make_compiled_dense_network(
    const torch::jit::Module& module, const PrecisionPlan& plan = {});

}  // namespace torchdet::script
