// Turns a module into a faster one for inference that computes the same function up to float
// rounding: frozen, convolutions folded with the normalisation after them, activations fused into
// convolutions, weights channels last. The result owns copies of the weights it changed and shares
// the others.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace torchdet::script {

torch::jit::Module compile_for_inference(torch::jit::Module module);

}  // namespace torchdet::script
