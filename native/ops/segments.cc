// suppress_segments on the CPU.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <numeric>
#include <vector>

#include "box_checks.h"
#include "kernels.h"
#include "roi_checks.h"
#include "suppression.h"

namespace torchdet::ops::cpu {

at::Tensor suppress_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts,
                             double iou_threshold) {
  check_segments(boxes, counts);
  const int64_t segments = boxes.size(0);
  const int64_t size = boxes.size(1);
  const at::Tensor xyxy = float_if_half(boxes).contiguous();
  const at::Tensor given = counts ? counts->contiguous() : at::Tensor();
  at::Tensor kept = at::zeros({segments, size}, xyxy.options().dtype(at::kBool));
  if (kept.numel() == 0) return kept;
  bool* kept_data = kept.mutable_data_ptr<bool>();
  std::vector<int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  AT_DISPATCH_FLOATING_TYPES(xyxy.scalar_type(), "suppress_segments", [&] {
    const scalar_t* data = xyxy.const_data_ptr<scalar_t>();
    at::parallel_for(0, segments, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        const int64_t count = counts ? given.const_data_ptr<int64_t>()[s] : size;
        for (const int64_t i : suppress(data + s * size * 4, order.data(), count, iou_threshold)) {
          kept_data[s * size + i] = true;
        }
      }
    });
  });
  return kept;
}

}  // namespace torchdet::ops::cpu
