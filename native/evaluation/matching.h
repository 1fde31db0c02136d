// COCO's assignment of detections to ground truth: best score first, each to the object it overlaps
// most among those still free, for every threshold and range of areas at once.
#pragma once

#include <array>
#include <vector>

#include "groups.h"
#include "overlap.h"

namespace torchdet::evaluation {

constexpr int kThresholds = 10;
// 0.5 to 0.95 in steps of 0.05, with numpy.linspace's rounding.
std::array<double, kThresholds> overlap_thresholds();

// Bit t tells of the t-th threshold. Ignored detections count neither as right nor as wrong.
struct Marks {
  uint16_t matched = 0;
  uint16_t ignored = 0;
};

// Marks of detection i of `groups.found` for range a: at i * ranges.size() + a.
std::vector<Marks> match(const Dataset& data, const Groups& groups, const Overlap& overlap,
                         const std::vector<AreaRange>& ranges, Progress progress,
                         const Checkpoint& checkpoint);

}  // namespace torchdet::evaluation
