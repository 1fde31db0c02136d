// Selection of SSD, as torchvision's postprocess_detections. It owns nothing.
#pragma once

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// Score softmax(classes), class by class but the background (0); boxes through the box coder.
std::vector<Detections> select_ssd(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                                   const std::vector<ImageSize>& image_sizes,
                                   const DenseConfig& config);

}  // namespace torchdet::detection
