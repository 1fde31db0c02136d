// RetinaNet's focal loss (https://arxiv.org/abs/1708.02002) with alpha 0.25 and gamma 2, as
// torchvision's sigmoid_focal_loss sums it over an image. Free functions that own nothing;
// gradients flow to the logits.
#pragma once

#include <ATen/core/Tensor.h>

namespace torchdet::detection {

// logits N x S x C floating point; labels N x S int64: the class of each place's object, or a code
// of matcher.h: background, for which all classes are negative, or left out. `counted`, where
// defined, is N x C bool and says which classes are negative at the background places of an image;
// a place with an object is negative for all other classes. To the sum over each image's places and
// classes: N. float32 on the CPU takes one pass and no memory beside the gradient.
at::Tensor focal_loss_sums(const at::Tensor& logits, const at::Tensor& labels,
                           const at::Tensor& counted);

}  // namespace torchdet::detection
