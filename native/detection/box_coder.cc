#include "box_coder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/slice.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <cmath>

namespace torchdet::detection {
namespace {

// Widths, heights and centres of boxes, each N x 1.
struct CentreForm {
  at::Tensor width, height, x, y;
};

CentreForm centre_form(const at::Tensor& boxes) {
  const at::Tensor x1 = boxes.narrow(1, 0, 1);
  const at::Tensor y1 = boxes.narrow(1, 1, 1);
  const at::Tensor width = boxes.narrow(1, 2, 1) - x1;
  const at::Tensor height = boxes.narrow(1, 3, 1) - y1;
  return {width, height, x1 + 0.5 * width, y1 + 0.5 * height};
}

at::Tensor component(const at::Tensor& deltas, int64_t index) {
  return at::slice(deltas, /*dim=*/1, index, std::nullopt, /*step=*/4);
}

}  // namespace

at::Tensor BoxCoder::decode(const at::Tensor& deltas, const at::Tensor& boxes) const {
  TORCH_CHECK(deltas.dim() == 2 && deltas.size(0) == boxes.size(0) && deltas.size(1) % 4 == 0,
              "deltas of shape ", deltas.sizes(), " do not fit boxes of shape ", boxes.sizes());
  // Keeps exp() from overflowing: no box grows more than 1000/16 times.
  static const double max_log_ratio = std::log(1000.0 / 16);
  const CentreForm box = centre_form(boxes);
  const at::Tensor dw = (component(deltas, 2) / weights_[2]).clamp_max_(max_log_ratio);
  const at::Tensor dh = (component(deltas, 3) / weights_[3]).clamp_max_(max_log_ratio);
  const at::Tensor x = (component(deltas, 0) / weights_[0]).mul_(box.width).add_(box.x);
  const at::Tensor y = (component(deltas, 1) / weights_[1]).mul_(box.height).add_(box.y);
  // Not in place on exp(): its backward needs its result.
  const at::Tensor half_width = (at::exp(dw) * box.width).mul_(0.5);
  const at::Tensor half_height = (at::exp(dh) * box.height).mul_(0.5);
  return at::stack({x - half_width, y - half_height, x + half_width, y + half_height}, /*dim=*/2)
      .flatten(1);
}

at::Tensor BoxCoder::encode(const at::Tensor& targets, const at::Tensor& boxes) const {
  const CentreForm box = centre_form(boxes);
  const CentreForm target = centre_form(targets);
  return at::cat(
      {weights_[0] * (target.x - box.x) / box.width, weights_[1] * (target.y - box.y) / box.height,
       weights_[2] * at::log(target.width / box.width),
       weights_[3] * at::log(target.height / box.height)},
      /*dim=*/1);
}

at::Tensor decode_linear(const at::Tensor& deltas, const at::Tensor& boxes) {
  const at::Tensor first = boxes.narrow(1, 0, 2);
  const at::Tensor last = boxes.narrow(1, 2, 2);
  const at::Tensor centre = 0.5 * (first + last);
  const at::Tensor sides = last - first;
  return at::cat({centre - deltas.narrow(1, 0, 2) * sides, centre + deltas.narrow(1, 2, 2) * sides},
                 /*dim=*/1);
}

at::Tensor encode_linear(const at::Tensor& targets, const at::Tensor& boxes) {
  const at::Tensor first = boxes.narrow(1, 0, 2);
  const at::Tensor last = boxes.narrow(1, 2, 2);
  const at::Tensor centre = 0.5 * (first + last);
  const at::Tensor sides = last - first;
  return at::cat(
      {(centre - targets.narrow(1, 0, 2)) / sides, (targets.narrow(1, 2, 2) - centre) / sides},
      /*dim=*/1);
}

at::Tensor clip_boxes(const at::Tensor& boxes, const ImageSize& size) {
  const at::Tensor x = at::slice(boxes, /*dim=*/1, 0, std::nullopt, /*step=*/2).clamp(0, size[1]);
  const at::Tensor y = at::slice(boxes, /*dim=*/1, 1, std::nullopt, /*step=*/2).clamp(0, size[0]);
  return at::stack({x, y}, /*dim=*/2).view(boxes.sizes());
}

at::Tensor large_enough(const at::Tensor& boxes, double min_side) {
  const at::Tensor sides = boxes.narrow(1, 2, 2) - boxes.narrow(1, 0, 2);
  return sides.ge(min_side).all(/*dim=*/1);
}

at::Tensor resize_boxes(const at::Tensor& boxes, const ImageSize& from, const ImageSize& to) {
  const float y_ratio = static_cast<float>(to[0]) / static_cast<float>(from[0]);
  const float x_ratio = static_cast<float>(to[1]) / static_cast<float>(from[1]);
  const at::Tensor ratios = at::tensor({x_ratio, y_ratio, x_ratio, y_ratio}).to(boxes.device());
  return boxes * ratios;
}

}  // namespace torchdet::detection
