// Checks of what a network put out, shared by the stages.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchdet::detection {

// Throws, naming `what` and the counts, where `tensor` holds NaN or an infinity.
void check_finite(const at::Tensor& tensor, const char* what);

}  // namespace torchdet::detection
