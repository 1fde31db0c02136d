// What is measured of a network's activations for int8: the range of each tensor that is rounded.
// Ranges belong to the weights they were measured with. Plain values.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace torchdet::script {

// Holds 0, which padding and ReLU need exactly. 0 to 0: nothing was seen, and what would need the
// range stays float32.
struct ActivationRange {
  double low = 0;
  double high = 0;
};

// By part of the network (`backbone`, `rpn.head`, ...): a range for each tensor, in the order of
// observed_values (quantize_sites.h).
using PartRanges = std::map<std::string, std::vector<ActivationRange>>;

struct Calibration {
  std::string weights;  // weights_fingerprint of the module it was measured on
  PartRanges parts;
};

// The calibration does not fit the network.
class CalibrationError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A number that changes with any name, shape or bit of a module's parameters and buffers, as
// hexadecimal digits. Not cryptographic: it tells trained weights from those before.
std::string weights_fingerprint(const torch::jit::Module& module);

}  // namespace torchdet::script
