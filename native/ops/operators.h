// The operators of torchvision, as C++ functions. registration.cc puts them under torchvision's own names and schemas, so
// that archives scripted by Python find them; detection code calls these functions directly. They own nothing: every
// function returns new tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <tuple>

namespace torchdet::ops {

// Indices (int64) of the boxes kept, by descending score; IoU strictly above the threshold suppresses.
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// nms within groups of equal `idxs`, as torchvision.ops.batched_nms: the coordinate trick up to 4000 numbers (100,000 on
// CUDA), group by group beyond, because the two differ in what they keep.
at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                       double iou_threshold);

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned);

}  // namespace torchdet::ops
