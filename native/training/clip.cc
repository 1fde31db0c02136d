#include "clip.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_foreach_clamp_max.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

namespace torchdet::training {

at::Tensor gradient_norm(const std::vector<at::Tensor>& gradients) {
  if (gradients.empty()) return at::zeros({});
  std::vector<at::Tensor> norms = at::_foreach_norm(gradients, 2);
  // Half-precision parameters among others of float32: norms of one type, the wider.
  for (at::Tensor& norm : norms) norm = norm.to(at::kFloat);
  return at::linalg_vector_norm(at::stack(norms), 2);
}

void clip_gradient_norm(const std::vector<at::Tensor>& gradients, double max_norm,
                        const at::Tensor& norm) {
  if (gradients.empty()) return;
  // Multiplying by 1 costs less than asking the device whether it is 1.
  const at::Tensor factor = (max_norm / (norm + 1e-6)).clamp_max(1.0);
  at::_foreach_mul_(gradients, factor);
}

void clip_gradient_values(const std::vector<at::Tensor>& gradients, double limit) {
  if (gradients.empty()) return;
  at::_foreach_clamp_min_(gradients, -limit);
  at::_foreach_clamp_max_(gradients, limit);
}

}  // namespace torchdet::training
