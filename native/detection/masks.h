// From mask logits to masks of the image's size, as torchvision's maskrcnn_inference and
// paste_masks_in_image. Free functions that own nothing; gradients off. They work on any device
// without waiting for it.
#pragma once

#include <ATen/core/Tensor.h>

#include "types.h"

namespace torchdet::detection {

// Logits N x C x M x M and labels N to the probabilities of each detection's own class, N x 1 x M x
// M.
at::Tensor select_masks(const at::Tensor& logits, const at::Tensor& labels);

// Probabilities N x 1 x M x M and boxes N x 4 in pixels of an image to N x 1 x height x width
// float32: each mask resized (bilinear) into its box widened by the half cell that M x M leaves
// out, zero elsewhere.
at::Tensor paste_masks(const at::Tensor& masks, const at::Tensor& boxes, const ImageSize& size);

}  // namespace torchdet::detection
