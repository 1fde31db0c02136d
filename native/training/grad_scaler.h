// The scale of the loss in float16: small gradients would vanish, so they are taken of a larger
// loss and divided afterwards. torch.amp.GradScaler with its defaults. It owns two scalars, on the
// device of the first loss.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torchdet::training {

class GradScaler {
 public:
  at::Tensor scale(const at::Tensor& loss);
  // Divides the gradients by the scale, in place. A number greater than 0 where one of them is not
  // finite: then no step may be made.
  at::Tensor unscale(const std::vector<at::Tensor>& gradients);
  // After each step made or skipped: halves the scale on overflow, doubles it after 2000 steps
  // without.
  void update(const at::Tensor& found_inf);

  // Undefined until a loss was scaled.
  const at::Tensor& current() const { return scale_; }
  const at::Tensor& growth_tracker() const { return growth_tracker_; }
  void load(const at::Tensor& scale, const at::Tensor& growth_tracker, c10::Device device);
  void forget();

 private:
  void make(c10::Device device);

  at::Tensor scale_;           // float32
  at::Tensor growth_tracker_;  // int32: steps since the scale last changed
};

}  // namespace torchdet::training
