// Losses of FCOS in its two forms, torchvision's and that of the original repository. Free
// functions that own nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// `classification`: focal loss; `bbox_regression`: GIoU of the boxes of matched points;
// `bbox_ctrness`: binary cross entropy of their centerness. Each is summed over the batch and
// divided by its matched points (1 at least). Labels from 0.
Losses fcos_losses(const DenseOutputs& outputs, const DensePlaces& anchors,
                   const std::vector<Target>& targets, const DenseConfig& config);

// Likewise, but the GIoU (with 1 added to intersection and union, and sides in units of the stride)
// is weighted by the wanted centerness and divided by the sum of that; labels from 1. Boxes are as
// torchvision has them: their areas, by which the smallest is chosen, lack the repository's + 1.
Losses fcos_original_losses(const DenseOutputs& outputs, const DensePlaces& points,
                            const std::vector<Target>& targets, const DenseConfig& config);

}  // namespace torchdet::detection
