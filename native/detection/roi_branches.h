// The mask and the keypoint branch of an R-CNN, run on the detections that are left: torchvision's
// RoIHeads in evaluation, and its postprocessing of what they find. Free functions that own
// nothing. Call them with gradients off.
#pragma once

#include <vector>

#include "config.h"
#include "network.h"
#include "types.h"

namespace torchdet::detection {

// Gives the detections of each image what the configured branches find in their boxes, in pixels of
// the resized image: masks N x 1 x M x M, not yet pasted; keypoints N x K x 3 and their scores.
// Images without detections get tensors of length 0.
void add_branches(RcnnNetwork& network, const FeatureMaps& features, const RoiHeadsConfig& config,
                  const ImageSize& batch_size, std::vector<Detections>& detections);

// Boxes and keypoints in pixels of the original image, masks pasted into it.
void to_original_size(Detections& detections, const ImageSize& size,
                      const ImageSize& original_size);

}  // namespace torchdet::detection
