// Losses of the one-stage families, each in its own file. Free functions that own nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// Of the family that config.head names, in torchvision's order. `outputs` of the head for the
// images of `targets`, whose boxes are in pixels of the resized images. Computed in float32 and, as
// far as the outputs have them, with gradients; throws TargetError where a label is none of the
// model's.
Losses dense_losses(const DenseOutputs& outputs, const DensePlaces& places,
                    const std::vector<Target>& targets, const DenseConfig& config);

}  // namespace torchdet::detection
