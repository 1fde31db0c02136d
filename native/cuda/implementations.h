// Which function implements which operator, for a library of operators. Owns nothing.
#pragma once

#include <torch/library.h>

namespace torchdet::cuda {

// torchvision's operators, by their names.
void implement_operators(torch::Library& library);

// What torchdet adds for devices: suppress_segments, pool_levels, fill_batch.
void implement_additions(torch::Library& library);

}  // namespace torchdet::cuda
