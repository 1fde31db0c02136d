// Checks of what a network put out, shared by the stages.
#pragma once

#include <ATen/core/Tensor.h>

#include <stdexcept>

namespace torchdet::detection {

class NotFiniteError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws NotFiniteError, naming `what` it is and the counts, where `tensor` holds NaN or an
// infinity.
void check_finite(const at::Tensor& tensor, const char* what);

}  // namespace torchdet::detection
