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

template <typename Signature>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// The coordinate trick costs less for few boxes; torchvision's limits, because the two ways can
// keep different boxes.
int64_t coordinate_trick_limit(const at::Tensor& boxes) { return boxes.is_cpu() ? 4'000 : 100'000; }

// Maps that the CUDA kernel pools from at once.
constexpr size_t kOnePassMaps = 8;

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
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, double)>("torchvision::nms");
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

at::Tensor suppress_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts,
                             double iou_threshold) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const std::optional<at::Tensor>&, double)>(
          "torchdet::suppress_segments");
  return op.call(boxes, counts, iou_threshold);
}

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned) {
  static const auto op = find<at::Tensor(const at::Tensor&, const at::Tensor&, double, c10::SymInt,
                                         c10::SymInt, int64_t, bool)>("torchvision::roi_align");
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
  if (!wants_grad && (rois.is_cpu() || maps.size() <= kOnePassMaps)) {
    static const auto op =
        find<at::Tensor(at::TensorList, const at::Tensor&, const at::Tensor&, at::ArrayRef<double>,
                        int64_t, int64_t, int64_t)>("torchdet::pool_levels");
    return op.call(maps, rois, levels, scales, pooled_height, pooled_width, sampling_ratio);
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

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, int64_t pooled_height,
                                            int64_t pooled_width) {
  static const auto op =
      find<std::tuple<at::Tensor, at::Tensor>(const at::Tensor&, const at::Tensor&, double,
                                              c10::SymInt, c10::SymInt)>("torchvision::roi_pool");
  return op.call(input, rois, spatial_scale, pooled_height, pooled_width);
}

std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width, int64_t sampling_ratio) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, double, c10::SymInt, c10::SymInt, int64_t)>(
      "torchvision::ps_roi_align");
  return op.call(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio);
}

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width) {
  static const auto op = find<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, double, c10::SymInt, c10::SymInt)>(
      "torchvision::ps_roi_pool");
  return op.call(input, rois, spatial_scale, pooled_height, pooled_width);
}

at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask) {
  static const auto op =
      find<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                      const at::Tensor&, c10::SymInt, c10::SymInt, c10::SymInt, c10::SymInt,
                      c10::SymInt, c10::SymInt, c10::SymInt, c10::SymInt, bool)>(
          "torchvision::deform_conv2d");
  return op.call(input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w, dilation_h,
                 dilation_w, groups, offset_groups, use_mask);
}

}  // namespace torchdet::ops
