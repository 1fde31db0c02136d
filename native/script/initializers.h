// First values of parameters, with the formulas and the random numbers of torch.nn.init. Draws come
// from the caller's generator, in the order of the calls.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "module_spec.h"

namespace torchdet::script {

at::Tensor make_parameter(const ParameterSpec& spec, const at::Generator& generator);
at::Tensor make_buffer(const BufferSpec& spec);

}  // namespace torchdet::script
