// A network whose parts want bfloat16, as the detection code calls it, in float32. It owns the
// network it wraps, and keeps the last features for the head that comes next.
#pragma once

#include <memory>

#include "../detection/network.h"

namespace torchdet::script {

std::unique_ptr<detection::RcnnNetwork> in_bfloat16(
    std::unique_ptr<detection::RcnnNetwork> network);
std::unique_ptr<detection::DenseNetwork> in_bfloat16(
    std::unique_ptr<detection::DenseNetwork> network);

}  // namespace torchdet::script
