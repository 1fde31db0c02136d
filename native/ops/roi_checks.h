// What every RoI operator asks of its arguments, with one wording, and the small things they share.
// Owns nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchdet::ops {

// input N x C x H x W and rois K x 5 of one floating dtype, a pooled size above zero.
void check_rois(const char* name, const at::Tensor& input, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width);

// Same for a backward: grad K x channels x pooled_height x pooled_width.
void check_grad(const char* name, const at::Tensor& grad, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width, int64_t channels);

// The int32 tensor that a forward gave beside its output (argmax, channel_mapping) fits the
// gradient.
void check_companion(const char* name, const char* what, const at::Tensor& companion,
                     const at::Tensor& grad);

// Both for a position-sensitive backward that gives a gradient of that many input channels.
void check_position_sensitive_grad(const char* name, const at::Tensor& grad, const at::Tensor& rois,
                                   const at::Tensor& mapping, int64_t pooled_height,
                                   int64_t pooled_width, int64_t channels);

// Every RoI's image index lies in 0..images-1. rois is contiguous, float32 or float64, on the CPU.
void check_image_indices(const char* name, const at::Tensor& rois, int64_t images);

// Output channels of the position-sensitive operators: channels / (pooled_height * pooled_width),
// which must divide.
int64_t position_sensitive_channels(const char* name, int64_t channels, int64_t pooled_height,
                                    int64_t pooled_width);

// The input channel each element of a position-sensitive output was read from (int32).
at::Tensor channel_mapping(const at::Tensor& output);

// float16 and bfloat16 are computed in float32.
at::Tensor float_if_half(const at::Tensor& tensor);

}  // namespace torchdet::ops
