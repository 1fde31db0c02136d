// What the mask and the keypoint branch of the RoI heads are trained by, as torchvision's
// maskrcnn_loss and keypointrcnn_loss. Free functions that own nothing. Gradients flow to the
// branches' outputs. Where there is no positive RoI, or no visible keypoint, the loss is 0 and so
// are its gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "roi_losses.h"
#include "types.h"

namespace torchdet::detection {

// Binary cross entropy of the mask of each RoI's own class, cut out of its object's. Logits R x C x
// M x M of the positive RoIs of all images.
at::Tensor mask_loss(const at::Tensor& logits, const std::vector<RoiSample>& positives,
                     const std::vector<Target>& targets);

// Cross entropy over the places of each heat map, of the visible keypoints that lie in their RoI.
// Heat maps R x K x M x M of the positive RoIs. Throws TargetError where targets have other than K
// keypoints.
at::Tensor keypoint_loss(const at::Tensor& heatmaps, const std::vector<RoiSample>& positives,
                         const std::vector<Target>& targets);

}  // namespace torchdet::detection
