// Selection of RetinaNet, as torchvision's postprocess_detections. It owns nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// Score sigmoid(class), boxes through the box coder, labels from 0.
LevelRule retinanet_rule(const DenseConfig& config);

std::vector<Detections> select_retinanet(const DenseOutputs& outputs, const DensePlaces& anchors,
                                         const std::vector<ImageSize>& image_sizes,
                                         const DenseConfig& config);

}  // namespace torchdet::detection
