// Overlaps of one box with many on the CPU, the inner loop of box_iou and of the matcher. A
// BoxColumns owns its copy of the boxes and is only read after it is made, from any thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace torchdet::detection {

// Boxes one array a coordinate, so that the loop over them runs in vector registers.
class BoxColumns {
 public:
  // N x 4 float32 xyxy on the CPU.
  explicit BoxColumns(const at::Tensor& boxes);

  int64_t size() const { return size_; }

  // Intersection over union of box `row` (four numbers) with boxes begin..end of the columns, to
  // out[0..end - begin): torchvision's arithmetic, rounding by rounding, NaN where it has NaN.
  void overlaps(const float* row, int64_t begin, int64_t end, float* out) const;

 private:
  const float* column(int64_t index) const { return data_.data() + index * size_; }

  int64_t size_;
  std::vector<float> data_;  // x1, y1, x2, y2, area
};

}  // namespace torchdet::detection
