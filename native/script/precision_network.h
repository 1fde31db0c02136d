// A network whose parts want a type of two bytes, as the detection code calls it, in float32. It
// owns the network it wraps, and keeps the last features for the head that comes next.
#pragma once

#include <memory>

#include "../detection/network.h"

namespace torchdet::script {

std::unique_ptr<detection::RcnnNetwork> in_half(std::unique_ptr<detection::RcnnNetwork> network,
                                                at::ScalarType dtype);
std::unique_ptr<detection::DenseNetwork> in_half(std::unique_ptr<detection::DenseNetwork> network,
                                                 at::ScalarType dtype);

}  // namespace torchdet::script
