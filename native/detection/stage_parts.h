// Small things that the stages of one-stage and two-stage detectors share. Free functions that own
// nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "network.h"
#include "types.h"

namespace torchdet::detection {

inline void call(const Checkpoint& checkpoint) {
  if (checkpoint) checkpoint();
}

// Height and width of a map or a batch.
inline ImageSize spatial_size(const at::Tensor& tensor) {
  return {tensor.size(-2), tensor.size(-1)};
}

std::vector<ImageSize> sizes_of(const std::vector<at::Tensor>& maps);

std::vector<at::Tensor> maps_of(const FeatureMaps& features);

// Throws where maps are not as many as the detector has `levels`, or not of `images` images.
void check_features(const std::vector<at::Tensor>& features, size_t levels, size_t images);

// Boxes, labels and scores without those that score below; masks and keypoints must not be there
// yet.
void drop_below(double score_threshold, Detections& detections);

}  // namespace torchdet::detection
