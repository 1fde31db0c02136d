// Rewrites a frozen graph for int8: convolutions and linear layers that have a range for what they
// read become oneDNN's quantized ones, with weights rounded per output channel, symmetrically, and
// activations per tensor to uint8 with a zero point. Between layers tensors stay uint8 where all
// their readers take them; others get float32. Whatever else the graph does stays float32.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "quantize_calibration.h"

namespace torchdet::script {

// Which layers stay float32: none, or those whose results reach no other layer of the graph, the
// predictors of a head.
enum class KeptLayers { kNone, kLast };

// `ranges` are those of observed_values; throws CalibrationError where they are not as many.
void quantize(torch::jit::Graph& graph, const std::vector<ActivationRange>& ranges,
              KeptLayers kept);

}  // namespace torchdet::script
