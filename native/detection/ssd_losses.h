// Losses of SSD and SSDlite, as torchvision's. It owns nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// `bbox_regression`: smooth L1 (beta 1) of the matched default boxes' deltas; `classification`:
// cross entropy of the matched ones and of those that are background but look least like it,
// (1 - positive_fraction) / positive_fraction of them for each matched one of the image. Both are
// summed over the batch and divided by its matched default boxes (1 at least). Labels from 1.
Losses ssd_losses(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                  const std::vector<Target>& targets, const DenseConfig& config);

}  // namespace torchdet::detection
