// Images and targets to what a training step works on: torchvision's GeneralizedRCNNTransform in
// training, and its checks of targets. Free functions that own nothing; call them with gradients
// off (NoGradGuard). Where a target does not do, they throw TargetError.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

struct TrainingBatch {
  ImageBatch images;
  std::vector<Target>
      targets;  // on the device, in pixels of the resized images; N x 4 also where N is 0
};

// What of the targets the model trains towards, beside boxes and labels; the rest is left out.
struct TargetParts {
  bool masks = false;
  bool keypoints = false;
};

// Draws the shorter side of each image from config.min_size (one number per image, also where there
// is no choice), resizes, and checks the targets: one per image; shapes and types; boxes with
// positive sides (after resizing, as torchvision).
TrainingBatch make_training_batch(const std::vector<ImageView>& images,
                                  const std::vector<Target>& targets, TargetParts parts,
                                  const TransformConfig& config, c10::Device device,
                                  at::Generator generator);

// Labels must lie in `first` to `end` - 1. Known once the network has said how many classes it has.
void check_labels(const std::vector<Target>& targets, int64_t first, int64_t end);

}  // namespace torchdet::detection
