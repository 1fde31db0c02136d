// In what numbers the compiled form of a network computes, and what the inference compiler does for
// it. Detection arithmetic around the network is float32 always.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <memory>
#include <optional>
#include <string>

#include "quantize_calibration.h"

namespace torchdet::script {

class ActivationObserver;

enum class Precision { kFloat32, kBfloat16, kFloat16, kInt8 };

// The type of two bytes that a network computes in, where it does.
inline std::optional<at::ScalarType> half_type(Precision precision) {
  if (precision == Precision::kBfloat16) return at::kBFloat16;
  if (precision == Precision::kFloat16) return at::kHalf;
  return std::nullopt;
}

// What a network is compiled for. Pointers are borrowed for the length of the compilation, the
// observer for the network's life.
struct PrecisionPlan {
  Precision precision = Precision::kFloat32;
  const Calibration* calibration = nullptr;  // for kInt8
  ActivationObserver* observer = nullptr;    // the network shall report to it, and not be fused
};

// The plan for one part: `backbone`, `rpn.head`, `box_head`, ...
struct PartPlan {
  const PrecisionPlan& network;
  std::string part;
};

// Rewrites the frozen graph of a part before anything in it is fused. False where it must not be
// fused at all. Throws CalibrationError where the calibration does not fit the graph.
bool apply_precision(torch::jit::Graph& graph, const PartPlan& plan);

}  // namespace torchdet::script
