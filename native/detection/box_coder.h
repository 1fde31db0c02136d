// Boxes (xyxy, float32) to and from the deltas a network regresses, and what is done to boxes
// afterwards. All functions return new tensors and work on any device.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "types.h"

namespace torchdet::detection {

// torchvision's BoxCoder: deltas (dx, dy, dw, dh) relative to the centre and the size of a
// reference box, times weights.
class BoxCoder {
 public:
  explicit BoxCoder(const std::array<double, 4>& weights) : weights_(weights) {}

  // deltas N x 4K and boxes N x 4 to boxes N x 4K: K decodings of each box. dw and dh are clamped
  // above at log(1000/16).
  at::Tensor decode(const at::Tensor& deltas, const at::Tensor& boxes) const;

  // The deltas (N x 4) that decode to `targets` from `boxes` (both N x 4).
  at::Tensor encode(const at::Tensor& targets, const at::Tensor& boxes) const;

 private:
  std::array<double, 4> weights_;
};

// torchvision's BoxLinearCoder with normalize_by_size: deltas (left, top, right, bottom) from the
// centre of a reference box, in units of its sides. deltas and boxes N x 4 to boxes N x 4.
at::Tensor decode_linear(const at::Tensor& deltas, const at::Tensor& boxes);

// The deltas (N x 4) that decode_linear turns into `targets` from `boxes` (both N x 4).
at::Tensor encode_linear(const at::Tensor& targets, const at::Tensor& boxes);

// Boxes N x 4 clamped to an image of that size.
at::Tensor clip_boxes(const at::Tensor& boxes, const ImageSize& size);

// Mask (N, bool) of the boxes with both sides at least `min_side`; false for NaN.
at::Tensor large_enough(const at::Tensor& boxes, double min_side);

// Boxes N x 4 scaled per axis by the float32 ratio of the sizes, from an image of size `from` to
// one of size `to`.
at::Tensor resize_boxes(const at::Tensor& boxes, const ImageSize& from, const ImageSize& to);

}  // namespace torchdet::detection
