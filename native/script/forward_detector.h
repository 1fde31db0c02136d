// Runs an archive of another structure than R-CNN's through its own forward, as Python would, and
// unpacks what torchvision's detectors return.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <vector>

#include "../detection/types.h"

namespace torchdet::script {

std::vector<detection::Detections> predict_by_forward(
    torch::jit::Module& module, const std::vector<detection::ImageView>& images,
    double score_threshold, c10::Device device);

}  // namespace torchdet::script
