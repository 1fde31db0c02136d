// What nms and suppress_segments ask of their arguments on every device. Owns nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <limits>
#include <optional>

namespace torchdet::ops {

inline void check_boxes(const at::Tensor& boxes, const at::Tensor& scores) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4,
              "nms: boxes must be N x 4 (x1, y1, x2, y2), got shape ", boxes.sizes());
  TORCH_CHECK(scores.dim() == 1 && scores.size(0) == boxes.size(0),
              "nms: scores must have one value for each box, got shape ", scores.sizes(), " for ",
              boxes.size(0), " boxes");
  TORCH_CHECK(boxes.scalar_type() == scores.scalar_type(),
              "nms: boxes and scores must have the same dtype, got ", boxes.scalar_type(), " and ",
              scores.scalar_type());
  TORCH_CHECK(boxes.is_floating_point(), "nms: boxes must be floating point, got ",
              boxes.scalar_type());
}

inline void check_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts) {
  TORCH_CHECK(boxes.dim() == 3 && boxes.size(2) == 4 && boxes.is_floating_point(),
              "suppress_segments: boxes must be S x N x 4 floating point, got ",
              boxes.scalar_type(), " of shape ", boxes.sizes());
  TORCH_CHECK(!counts || (counts->dim() == 1 && counts->size(0) == boxes.size(0) &&
                          counts->scalar_type() == at::kLong && counts->device() == boxes.device()),
              "suppress_segments: counts must be int64 with one value for each of the ",
              boxes.size(0), " segments, beside the boxes");
}

// The threshold in T: `iou > threshold` has the same answer for every iou of type T as in double.
template <typename T>
T narrowed(double threshold) {
  T narrow = static_cast<T>(threshold);
  if (static_cast<double>(narrow) > threshold) {
    narrow = std::nextafter(narrow, -std::numeric_limits<T>::infinity());
  }
  return narrow;
}

}  // namespace torchdet::ops
