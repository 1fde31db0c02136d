// Compiles described modules to TorchScript. The module returned owns its tensors and the code it
// runs; modules of equal description share one TorchScript class, so that an archive holds each
// class once.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "module_spec.h"

namespace torchdet::script {

// Parameters are drawn depth-first, a module's own before its children's, as after
// manual_seed(seed), which the process's own generator does not notice.
torch::jit::Module compile(const ModuleSpec& spec, uint64_t seed);

}  // namespace torchdet::script
