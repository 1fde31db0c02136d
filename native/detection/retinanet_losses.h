// Losses of RetinaNet, as torchvision's. It owns nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// `classification`: focal loss; `bbox_regression`: L1 of the deltas, or GIoU of the boxes
// (config.training.box_loss). Each is summed over an image, divided by the image's matched anchors
// (1 at least), and averaged over the batch. Anchors between the thresholds are left out; boxes
// that no anchor overlaps enough get those that overlap them most. Labels from 0.
Losses retinanet_losses(const DenseOutputs& outputs, const DensePlaces& anchors,
                        const std::vector<Target>& targets, const DenseConfig& config);

}  // namespace torchdet::detection
