// Autograd and autocast of the operators. Own nothing.
#pragma once

#include <torch/library.h>

namespace torchdet::ops {

// For a library at the Autograd key: gradients through the `_..._backward` operators, which
// themselves have none.
void register_autograd(torch::Library& library);

// For a library at the AutocastCPU key: nms and roi_align in float32, as torchvision has them.
void register_autocast(torch::Library& library);

// For a library at the AutocastCUDA key: all of them in float32, as torchvision has them there.
void register_cuda_autocast(torch::Library& library);

}  // namespace torchdet::ops
