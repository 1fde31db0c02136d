// Targets as JavaScript hands them over; their tensors share the memory of JavaScript's.
#pragma once

#include <napi.h>

#include <vector>

#include "../detection/types.h"

namespace torchdet::binding {

std::vector<detection::Target> to_targets(const Napi::Value& list);

}  // namespace torchdet::binding
