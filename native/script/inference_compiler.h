// Turns a module into a faster one for inference that computes the same function up to float
// rounding: frozen, convolutions folded with the normalisation after them, activations fused into
// convolutions, weights channels last; in another precision than float32 as the plan says. The
// result owns copies of the weights it changed and shares the others.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "precision.h"

namespace torchdet::script {

torch::jit::Module compile_for_inference(torch::jit::Module module, const PartPlan& plan);

}  // namespace torchdet::script
