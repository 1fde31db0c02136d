// Recognises torchvision's one-stage detectors (RetinaNet, FCOS, SSD and SSDlite) in a module tree
// and reads their configuration from the attributes that the scripted models carry.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>

#include "../detection/config.h"

namespace torchdet::script {

// backbone and head are there.
bool has_dense_network(const torch::jit::Module& module);

// Nothing where a class is not torchvision's own, or an attribute is missing or of another type:
// the archive then runs through its own forward, which needs none of them.
std::optional<detection::DenseConfig> read_dense_config(const torch::jit::Module& module);

}  // namespace torchdet::script
