// The C++ functions of operators.h. They go through the dispatcher, so that autograd, autocast and
// the device's kernel apply.
#include "operators.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/irange.h>

#include <algorithm>

#include "kernels.h"

namespace torchdet::ops {

namespace {

// The coordinate trick costs less for few boxes; torchvision's limits, because the two ways can
// keep different boxes.
int64_t coordinate_trick_limit(const at::Tensor& boxes) { return boxes.is_cpu() ? 4'000 : 100'000; }

at::Tensor nms_by_offset(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                         double iou_threshold) {
  if (boxes.numel() == 0) return at::empty({0}, boxes.options().dtype(at::kLong));
  // Groups are moved apart by more than the largest coordinate, then treated as one.
  const at::Tensor offsets = idxs.to(boxes.options()).mul(boxes.max().add(1));
  return nms(boxes.add(offsets.unsqueeze(1)), scores, iou_threshold);
}

at::Tensor nms_by_group(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                        double iou_threshold) {
  at::Tensor kept = at::zeros(scores.sizes(), scores.options().dtype(at::kBool));
  const at::Tensor groups = std::get<0>(at::_unique2(idxs));
  for (const auto g : c10::irange(groups.size(0))) {
    const at::Tensor members = at::where(idxs.eq(groups[g]))[0];
    const at::Tensor kept_members =
        nms(boxes.index_select(0, members), scores.index_select(0, members), iou_threshold);
    kept.index_fill_(0, members.index_select(0, kept_members), true);
  }
  const at::Tensor indices = at::where(kept)[0];
  return indices.index_select(
      0, std::get<1>(at::sort(scores.index_select(0, indices), 0, /*descending=*/true)));
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("torchvision::nms", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double)>();
  return op.call(boxes, scores, iou_threshold);
}

at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                       double iou_threshold) {
  if (boxes.numel() <= coordinate_trick_limit(boxes)) {
    return nms_by_offset(boxes, scores, idxs, iou_threshold);
  }
  if (boxes.is_cpu()) return cpu::grouped_nms(boxes, scores, idxs, iou_threshold);
  return nms_by_group(boxes, scores, idxs, iou_threshold);
}

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("torchvision::roi_align", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&, double,
                                               c10::SymInt, c10::SymInt, int64_t, bool)>();
  return op.call(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio, aligned);
}

at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const at::Tensor& levels, const std::vector<double>& scales,
                                int64_t pooled_height, int64_t pooled_width,
                                int64_t sampling_ratio) {
  TORCH_CHECK(!maps.empty() && maps.size() == scales.size(),
              "multiscale_roi_align: one scale a map is needed, got ", maps.size(), " maps and ",
              scales.size(), " scales");
  TORCH_CHECK(
      levels.dim() == 1 && levels.size(0) == rois.size(0) && levels.scalar_type() == at::kLong,
      "multiscale_roi_align: levels must be int64 with one value for each of the ", rois.size(0),
      " RoIs, got ", levels.scalar_type(), " of shape ", levels.sizes());
  const bool wants_grad =
      at::GradMode::is_enabled() &&
      (rois.requires_grad() || std::any_of(maps.begin(), maps.end(), [](const at::Tensor& map) {
         return map.requires_grad();
       }));
  if (rois.is_cpu() && !wants_grad) {
    return cpu::multiscale_roi_align(maps, rois, levels, scales, pooled_height, pooled_width,
                                     sampling_ratio);
  }
  std::vector<at::Tensor> indices;
  std::vector<at::Tensor> pooled;
  for (const auto i : c10::irange(maps.size())) {
    indices.push_back(at::where(levels.eq(static_cast<int64_t>(i)))[0]);
    pooled.push_back(roi_align(maps[i], rois.index_select(0, indices.back()), scales[i],
                               pooled_height, pooled_width, sampling_ratio, /*aligned=*/false));
  }
  // Put back in the order of the RoIs: position k of the joined list belongs at joined_indices[k].
  const at::Tensor joined_indices = at::cat(indices);
  return at::cat(pooled).index_select(0, std::get<1>(at::sort(joined_indices)));
}

}  // namespace torchdet::ops
