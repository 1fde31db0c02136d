// Quantized tensors in the operators of detection. Own nothing.
#pragma once

#include <torch/library.h>

namespace torchdet::ops {

// For a library at the QuantizedCPU key: nms and roi_align, computed in float32.
void register_quantized(torch::Library& library);

}  // namespace torchdet::ops
