#include "grad_scaler.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_amp_update_scale.h>
#include <ATen/ops/full.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/zeros.h>

namespace torchdet::training {
namespace {

// torch.amp.GradScaler's defaults.
constexpr double kFirstScale = 65536;
constexpr double kGrowth = 2;
constexpr double kBackoff = 0.5;
constexpr int64_t kGrowthInterval = 2000;

}  // namespace

void GradScaler::make(c10::Device device) {
  const auto options = at::TensorOptions().device(device);
  scale_ = at::full({}, kFirstScale, options.dtype(at::kFloat));
  growth_tracker_ = at::zeros({}, options.dtype(at::kInt));
}

at::Tensor GradScaler::scale(const at::Tensor& loss) {
  if (!scale_.defined()) make(loss.device());
  return loss * scale_;
}

at::Tensor GradScaler::unscale(const std::vector<at::Tensor>& gradients) {
  TORCH_CHECK(scale_.defined(), "gradients are unscaled before a loss was scaled");
  at::Tensor found_inf = at::zeros({}, scale_.options());
  if (!gradients.empty()) {
    at::_amp_foreach_non_finite_check_and_unscale_(gradients, found_inf, scale_.reciprocal());
  }
  return found_inf;
}

void GradScaler::update(const at::Tensor& found_inf) {
  at::_amp_update_scale_(scale_, growth_tracker_, found_inf, kGrowth, kBackoff, kGrowthInterval);
}

void GradScaler::load(const at::Tensor& scale, const at::Tensor& growth_tracker,
                      c10::Device device) {
  make(device);
  scale_.copy_(scale);
  growth_tracker_.copy_(growth_tracker);
}

void GradScaler::forget() {
  scale_.reset();
  growth_tracker_.reset();
}

}  // namespace torchdet::training
