// Which ground-truth box each anchor, proposal or default box is trained towards, as torchvision's
// Matcher and SSDMatcher. Free functions that own nothing; no gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchdet::detection {

// What stands for a match where there is none.
inline constexpr int64_t kBelowLowThreshold = -1;  // background
inline constexpr int64_t kBetweenThresholds = -2;  // neither: left out of the loss

// What a ground-truth box gets that no anchor overlaps by the thresholds.
enum class LowQuality {
  kIgnore,
  // Every anchor that overlaps it as much as its best does is matched, each to the anchor's own
  // best ground-truth box, which may be another one (torchvision's allow_low_quality_matches).
  kRestoreTies,
  // Its best anchor, the first of equals; where two want the same anchor, the later one gets it
  // (SSDMatcher).
  kForceBest,
};

struct MatchRule {
  double high_threshold;  // matched from here
  double low_threshold;   // background below; at most high_threshold
  LowQuality low_quality;
};

// From the quality of every pair, G x A floating point, to A int64: index of a ground-truth box, or
// one of the codes above. Without ground truth all are background (torchvision raises there).
at::Tensor match_quality(const at::Tensor& quality, const MatchRule& rule);

// The same with the IoU of ground truth (G x 4) and anchors (A x 4) as quality. For float32 on the
// CPU the matrix of pairs is never made.
at::Tensor match_boxes(const at::Tensor& ground_truth, const at::Tensor& anchors,
                       const MatchRule& rule);

}  // namespace torchdet::detection
