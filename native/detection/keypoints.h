// From heat maps to keypoints, as torchvision's heatmaps_to_keypoints. Free functions that own
// nothing; gradients off.
#pragma once

#include <ATen/core/Tensor.h>

#include "types.h"

namespace torchdet::detection {

struct Keypoints {
  at::Tensor points;  // N x K x 3: x, y in pixels of the image the boxes are in, visibility 1
  at::Tensor scores;  // N x K: the heat map's value there
};

// Heat maps N x K x M x M of boxes N x 4: each is resized (bicubic) to its box's size in whole
// pixels, at least one; the keypoint is the centre of the largest pixel, the first of equal ones.
Keypoints find_keypoints(const at::Tensor& heatmaps, const at::Tensor& boxes);

// Points N x K x 3 scaled per axis by the float32 ratio of the sizes.
at::Tensor resize_keypoints(const at::Tensor& points, const ImageSize& from, const ImageSize& to);

}  // namespace torchdet::detection
