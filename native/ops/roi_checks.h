// What every RoI operator asks of its arguments, with one wording. Owns nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchdet::ops {

// input N x C x H x W and rois K x 5 of one floating dtype, a pooled size above zero.
void check_rois(const char* name, const at::Tensor& input, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width);

// Same for a backward: grad K x C' x h x w.
void check_grad(const char* name, const at::Tensor& grad, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width);

// Every RoI's image index lies in 0..images-1. rois is contiguous, float32 or float64, on the CPU.
void check_image_indices(const char* name, const at::Tensor& rois, int64_t images);

}  // namespace torchdet::ops
