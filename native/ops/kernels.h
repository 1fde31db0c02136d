// The CPU kernels behind the registered operators, one function an operator. They take part in no
// autograd and own nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <tuple>
#include <vector>

namespace torchdet::ops::cpu {

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// batched_nms beyond the coordinate trick: group by group.
at::Tensor grouped_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                       double iou_threshold);

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned);

at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const at::Tensor& levels, const std::vector<double>& scales,
                                int64_t pooled_height, int64_t pooled_width,
                                int64_t sampling_ratio);

}  // namespace torchdet::ops::cpu
