#include "checks.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/sum.h>
#include <c10/util/StringUtil.h>

#include <cmath>

namespace torchdet::detection {

void check_finite(const at::Tensor& tensor, const char* what) {
  // A sum is one quick pass and finite only if all numbers are; the count is for the message, and
  // for the rare sum of finite numbers that overflows.
  if (std::isfinite(at::sum(tensor).item<double>())) return;
  const int64_t finite = at::sum(at::isfinite(tensor)).item<int64_t>();
  if (finite == tensor.numel()) return;
  throw NotFiniteError(c10::str(what, ": ", tensor.numel() - finite, " NaN or infinite numbers of ",
                                tensor.numel(), " (shape ", tensor.sizes(),
                                "); check the weights and the input images"));
}

}  // namespace torchdet::detection
