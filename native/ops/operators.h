// The operators of torchvision, as C++ functions. registration.cc puts them under torchvision's own
// names and schemas, so that archives scripted by Python find them; detection code calls these
// functions directly. They own nothing: every function returns new tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

namespace torchdet::ops {

// Indices (int64) of the boxes kept, by descending score; IoU strictly above the threshold
// suppresses.
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// nms within groups of equal `idxs`, as torchvision.ops.batched_nms: the coordinate trick up to
// 4000 numbers (100,000 on CUDA), group by group beyond, because the two differ in what they keep.
at::Tensor batched_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                       double iou_threshold);

// boxes S x N x 4, each segment best first; counts S int64, how many of a segment's boxes there are
// (none: all). S x N bool: which nms would keep, each segment by itself. Waits for no device.
at::Tensor suppress_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts,
                             double iou_threshold);

// input N x C x H x W, rois K x 5 (batch index, x1, y1, x2, y2 in pixels of the image); K x C x h x
// w, always contiguous (CHW order, as the first fully connected layer of a box head wants it). A
// channels-last input is the fast path: an input of the default layout is turned into channels-last
// first where enough is pooled from it.
at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned);

// roi_align (aligned=False) of a feature pyramid, as torchvision's MultiScaleRoIAlign: RoI k is
// pooled from maps[levels[k]] with scales[levels[k]]. levels is int64 of length K. One pass where
// no gradient is wanted (on CUDA for up to 8 maps), else level by level through roi_align, so that
// gradients flow.
// Contiguous K x C x h x w.
at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const at::Tensor& levels, const std::vector<double>& scales,
                                int64_t pooled_height, int64_t pooled_width,
                                int64_t sampling_ratio);

// (pooled, argmax): the largest value of each bin, and its place y * width + x as int32 (-1 in an
// empty bin).
std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, int64_t pooled_height,
                                            int64_t pooled_width);

// Position-sensitive pooling: (pooled, channel mapping); input has C = C' * h * w channels, the
// result K x C' x h x w. The mapping is the input channel that each element was read from, int32.
std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width, int64_t sampling_ratio);

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width);

// Deformable convolution, v2 where use_mask is set (else mask is not read). bias: zeros for none.
// offset is N x (offset groups * kh * kw * 2: y, x) x h x w, mask N x (offset groups * kh * kw) x h
// x w.
at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask);

}  // namespace torchdet::ops
