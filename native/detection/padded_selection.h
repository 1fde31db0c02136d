// Selection with results of fixed size, for devices that the host does not wait for: what is left
// of each list stands in front, zeros behind it, and how many there are stays on the device. The
// numbers are those of rpn.h and roi_heads.h (which suppress long lists group by group, with a
// rounding of their own). Free functions that own nothing. Call them with gradients off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config.h"
#include "rpn.h"
#include "types.h"

namespace torchdet::detection {

// The first `counts` of each image's P proposals, best first.
struct PaddedProposals {
  at::Tensor boxes;   // N x P x 4
  at::Tensor scores;  // N x P
  at::Tensor counts;  // N, int64
  at::Tensor finite;  // bool: whether all numbers of the network were
};

// As select_proposals.
PaddedProposals select_padded_proposals(const FlatHeads& heads, const at::Tensor& anchors,
                                        const std::vector<ImageSize>& image_sizes,
                                        const RpnConfig& config, const ProposalLimits& limits);

// The first `counts` of each image's D detections, best first; boxes in pixels of the resized
// image.
struct PaddedDetections {
  at::Tensor boxes;   // N x D x 4
  at::Tensor labels;  // N x D, int64
  at::Tensor scores;  // N x D
  at::Tensor counts;  // N, int64
  at::Tensor finite;  // bool
};

// As select_detections and then drop_below, for logits (N * P) x C of all proposals, those beyond
// the counts among them.
PaddedDetections select_padded_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const PaddedProposals& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config, double score_threshold);

// Copies everything to the host at once, the only wait, and cuts off the padding. `finite` must
// hold what all stages had to say. Boxes, labels and scores stay on the device besides:
// `on_device`.
struct FetchedDetections {
  std::vector<Detections> on_host;
  std::vector<Detections> on_device;
  bool finite;
};
FetchedDetections fetch(const PaddedDetections& detections);

}  // namespace torchdet::detection
