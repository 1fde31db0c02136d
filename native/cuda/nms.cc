#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/masked_select.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>

#include <cmath>
#include <limits>

#include "../ops/box_checks.h"
#include "../ops/roi_checks.h"
#include "launch.h"
#include "operators.h"

namespace torchdet::cuda {

at::Tensor suppress_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts,
                             double iou_threshold) {
  ops::check_segments(boxes, counts);
  const int64_t segments = boxes.size(0);
  const int64_t size = boxes.size(1);
  const c10::DeviceGuard guard(boxes.device());
  const at::Tensor xyxy = ops::float_if_half(boxes).contiguous();
  const at::Tensor given = counts ? counts->contiguous() : at::Tensor();
  const int64_t* count_data = counts ? given.const_data_ptr<int64_t>() : nullptr;
  at::Tensor kept = at::empty({segments, size}, xyxy.options().dtype(at::kBool));
  if (kept.numel() == 0) return kept;

  const int64_t per_box = suppression_words(size);
  const auto whole = xyxy.options().dtype(at::kLong);
  const at::Tensor words = at::empty({segments, size, per_box}, whole);
  at::Tensor removed = at::zeros({segments, per_box}, whole);
  auto* bits = reinterpret_cast<uint64_t*>(words.mutable_data_ptr<int64_t>());
  AT_DISPATCH_FLOATING_TYPES(xyxy.scalar_type(), "suppress_segments", [&] {
    const SuppressionBits<scalar_t> kernel = {xyxy.const_data_ptr<scalar_t>(), count_data, size,
                                              ops::narrowed<scalar_t>(iou_threshold), bits};
    launch(kernel, kernel.threads(segments));
  });
  launch_scan(
      {bits, count_data, size, reinterpret_cast<uint64_t*>(removed.mutable_data_ptr<int64_t>()),
       kept.mutable_data_ptr<bool>()},
      segments);
  return kept;
}

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  ops::check_boxes(boxes, scores);
  const c10::DeviceGuard guard(boxes.device());
  if (boxes.size(0) == 0) return at::empty({0}, boxes.options().dtype(at::kLong));
  const at::Tensor order =
      std::get<1>(at::sort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true));
  const at::Tensor sorted = boxes.index_select(0, order).unsqueeze(0);
  // Only here the host learns something: how many were kept.
  return at::masked_select(order, suppress_segments(sorted, std::nullopt, iou_threshold)[0]);
}

}  // namespace torchdet::cuda
