// First values of parameters, with the formulas and the random numbers of torch.nn.init. Draws come
// from LibTorch's default CPU generator: whoever calls seeds it.
#pragma once

#include <ATen/core/Tensor.h>

#include "module_spec.h"

namespace torchdet::script {

at::Tensor make_parameter(const ParameterSpec& spec);
at::Tensor make_buffer(const BufferSpec& spec);

}  // namespace torchdet::script
