// Images to one batch, as torchvision's GeneralizedRCNNTransform: normalise, then resize bilinearly
// without antialiasing, then pad with zeros at the right and at the bottom; the channels are put
// into the batch's order first. The images are only read during the call and the batch owns its
// memory. Call it with gradients off (NoGradGuard or InferenceMode).
#pragma once

#include <c10/core/Device.h>

#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

// Height and width of an image after resizing, for one choice of the shorter side: scaled in
// float64 and truncated, so that the shorter side may end up one below `min_size`, as in
// torchvision.
ImageSize resized_size(const ImageSize& size, int64_t min_size, const TransformConfig& config);

// The batch, on `device`, channels last. `min_sizes` holds the shorter side wanted for each image
// (training draws them); empty: the last of config.min_size for all, as in evaluation.
ImageBatch make_image_batch(const std::vector<ImageView>& images, const TransformConfig& config,
                            c10::Device device, const std::vector<int64_t>& min_sizes = {});

}  // namespace torchdet::detection
