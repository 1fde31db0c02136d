// The weights of an RPN head by torchvision's names. A free function; the tensors are the module's.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>

#include "../detection/network.h"

namespace torchdet::script {

// Nothing where the head has other names or shapes than torchvision's RPNHead with one convolution.
std::optional<detection::RpnHeadWeights> rpn_head_weights(const torch::jit::Module& head);

}  // namespace torchdet::script
