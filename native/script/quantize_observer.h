// Measures the activations of a network while it detects in a user's images. The observer owns a
// histogram for each tensor; graphs that observe_activations prepared tell it what they compute,
// while a Scope of it lives on their thread.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <string>
#include <vector>

#include "quantize_calibration.h"

namespace torchdet::script {

// How a range is chosen from what was seen: all of it, or the one that rounds with the least mean
// square error, which lets a few outliers go.
enum class RangeMethod { kMinMax, kMeanSquare };

// Bins of equal width over -reach to reach; the reach doubles when a value lies outside.
class ActivationHistogram {
 public:
  // Looks at all numbers for the extremes, at 262144 at most for the bins. Throws where one is not
  // finite.
  void add(const at::Tensor& tensor);
  // 0 to 0 where nothing was seen.
  ActivationRange range(RangeMethod method) const;

 private:
  void reach_at_least(double magnitude);
  double square_error(const ActivationRange& range) const;

  std::vector<double> bins_;
  double reach_ = 0;
  double low_ = 0;
  double high_ = 0;
};

class ActivationObserver {
 public:
  class Scope {
   public:
    explicit Scope(ActivationObserver& observer);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  // Makes the graph of a part report; its tensors are new ones of this observer.
  void watch(const std::string& part, torch::jit::Graph& graph);
  void see(int64_t slot, const at::Tensor& tensor);
  // 0 to 0 for a tensor that was never computed.
  PartRanges ranges(RangeMethod method) const;

 private:
  struct Part {
    std::string name;
    size_t first = 0;
    size_t count = 0;
  };
  std::vector<Part> parts_;
  std::vector<ActivationHistogram> histograms_;
};

}  // namespace torchdet::script
