// CUDA graphs behind numbers: what torchdet::recording_* do for CUDA tensors. Owns the graphs that
// were opened and not dropped, until the process ends. Each is used from the thread of its device.
#pragma once

#include <torch/library.h>

namespace torchdet::cuda {

// Registers the operators.
void implement_recordings(torch::Library& library);

}  // namespace torchdet::cuda
