// From the box head's outputs to detections, as torchvision's RoIHeads. Free functions that own
// nothing. Call them with gradients off.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

// Class logits R x C and box regression R x 4C of the proposals (one N_i x 4 per image, R in all)
// to detections per image, best first: softmax, every class but 0, scores strictly above
// score_thresh, clipped to the image, no side below 1e-2, NMS per class, the best
// detections_per_img. Boxes are in pixels of the resized image.
std::vector<Detections> select_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const std::vector<at::Tensor>& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config);

}  // namespace torchdet::detection
