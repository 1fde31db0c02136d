// Recognises torchvision's R-CNN structure in a module tree and reads its configuration from the
// attributes that scripted torchvision models carry (GeneralizedRCNNTransform,
// RegionProposalNetwork, RoIHeads and their helpers).
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>

#include "../detection/config.h"

namespace torchdet::script {

// backbone, rpn.head, roi_heads.box_head and roi_heads.box_predictor are there; mask and keypoint
// branches, where there are any, have their head and their predictor.
bool has_rcnn_network(const torch::jit::Module& module);

// Nothing where a class is not torchvision's, or an attribute is missing or of another type: the
// archive then runs through its own forward.
std::optional<detection::RcnnConfig> read_rcnn_config(const torch::jit::Module& module);

}  // namespace torchdet::script
