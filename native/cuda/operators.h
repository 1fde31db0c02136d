// The operators for CUDA tensors, with the signatures of torchvision's schemas (see ops/kernels.h).
// None waits for the device, but for nms, whose result has a length of its own. They take part in
// no autograd and own nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

namespace torchdet::cuda {

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// boxes S x N x 4, each segment best first; counts S int64, how many of a segment's boxes there are
// (none: all). S x N bool: which are kept. Boxes of different segments do not see each other.
at::Tensor suppress_segments(const at::Tensor& boxes, const std::optional<at::Tensor>& counts,
                             double iou_threshold);

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned);

// RoI k is pooled from maps[levels[k]], in one kernel; at most 8 maps. rois may be wider than the
// maps: float32 beside float16.
at::Tensor pool_levels(at::TensorList maps, const at::Tensor& rois, const at::Tensor& levels,
                       at::ArrayRef<double> scales, int64_t pooled_height, int64_t pooled_width,
                       int64_t sampling_ratio);

at::Tensor roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, double spatial_scale,
                              int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                              int64_t channels, int64_t height, int64_t width,
                              int64_t sampling_ratio, bool aligned);

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, int64_t pooled_height,
                                            int64_t pooled_width);

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                             const at::Tensor& argmax, double spatial_scale, int64_t pooled_height,
                             int64_t pooled_width, int64_t batch_size, int64_t channels,
                             int64_t height, int64_t width);

std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width, int64_t sampling_ratio);

at::Tensor ps_roi_align_backward(const at::Tensor& grad, const at::Tensor& rois,
                                 const at::Tensor& mapping, double spatial_scale,
                                 int64_t pooled_height, int64_t pooled_width,
                                 int64_t sampling_ratio, int64_t batch_size, int64_t channels,
                                 int64_t height, int64_t width);

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width);

at::Tensor ps_roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                                const at::Tensor& mapping, double spatial_scale,
                                int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                                int64_t channels, int64_t height, int64_t width);

at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask);

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight,
    const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias, int64_t stride_h,
    int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w,
    int64_t groups, int64_t offset_groups, bool use_mask);

// packed: one-dimensional uint8 on the device; its first images * 48 bytes are a table of int64
// (kernels/image_batch.h: PackedImage), the pixels stand behind. images x 3 x height x width
// float32, channels last; channel c is (channel source[c] of the image / 255 - mean[c]) / std[c].
at::Tensor fill_batch(const at::Tensor& packed, int64_t images, int64_t height, int64_t width,
                      at::ArrayRef<double> mean, at::ArrayRef<double> std, at::IntArrayRef source);

}  // namespace torchdet::cuda
