// Contraction to fused multiply-add would round an IoU differently from torchvision, and an anchor
// near a threshold would be matched on one machine and not on another.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "box_iou_kernel.h"

#include "../ops/simd.h"

namespace torchdet::detection {

BoxColumns::BoxColumns(const at::Tensor& boxes)
    : size_(boxes.size(0)), data_(static_cast<size_t>(size_ * 5)) {
  const at::Tensor rows = boxes.contiguous();
  const float* row = rows.const_data_ptr<float>();
  float* out = data_.data();
  for (int64_t i = 0; i < size_; ++i, row += 4) {
    for (int64_t c = 0; c < 4; ++c) out[c * size_ + i] = row[c];
    out[4 * size_ + i] = (row[2] - row[0]) * (row[3] - row[1]);
  }
}

void BoxColumns::overlaps(const float* row, int64_t begin, int64_t end, float* out) const {
  const float left = row[0], top = row[1], right = row[2], bottom = row[3];
  const float area = (right - left) * (bottom - top);
  const float* x1 = column(0) + begin;
  const float* y1 = column(1) + begin;
  const float* x2 = column(2) + begin;
  const float* y2 = column(3) + begin;
  const float* areas = column(4) + begin;
  const int64_t count = end - begin;
  // A NaN coordinate makes an area NaN and with it the union, so what comparisons do to NaN before
  // does not matter.
  ops::simd::vectorised([=](auto) TORCHDET_INLINE {
    for (int64_t i = 0; i < count; ++i) {
      const float shared_left = x1[i] < left ? left : x1[i];
      const float shared_top = y1[i] < top ? top : y1[i];
      const float shared_right = right < x2[i] ? right : x2[i];
      const float shared_bottom = bottom < y2[i] ? bottom : y2[i];
      const float across = shared_right - shared_left;
      const float down = shared_bottom - shared_top;
      const float intersection = (across > 0.0f ? across : 0.0f) * (down > 0.0f ? down : 0.0f);
      out[i] = intersection / (area + areas[i] - intersection);
    }
  });
}

}  // namespace torchdet::detection
