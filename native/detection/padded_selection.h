// Selection with results of fixed size, for devices that the host does not wait for: what is left
// of each list stands in front, zeros behind it, and how many there are stays on the device. The
// numbers are those of rpn.h, roi_heads.h and dense_selection.h (which suppress long lists group by
// group, with a rounding of their own). Free functions that own nothing. Call them with gradients
// off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "padded_lists.h"
#include "rpn.h"
#include "types.h"

namespace torchdet::detection {

// `finite` says on the device whether all numbers of the network were, those of the stages before
// among them.
struct PaddedProposals {
  PaddedList list;  // labels: the level
  at::Tensor finite;
};

struct PaddedDetections {
  PaddedList list;  // boxes in pixels of the resized image
  at::Tensor finite;
};

// As select_proposals.
PaddedProposals select_padded_proposals(const FlatHeads& heads, const at::Tensor& anchors,
                                        const std::vector<ImageSize>& image_sizes,
                                        const RpnConfig& config, const ProposalLimits& limits);

// As select_detections and then drop_below, for logits (N * P) x C of all proposals, those beyond
// the counts among them.
PaddedDetections select_padded_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const PaddedProposals& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config, double score_threshold);

// As select_by_level and select_ssd, and then drop_below.
PaddedDetections select_padded_by_level(const DenseOutputs& outputs, const DensePlaces& places,
                                        const std::vector<ImageSize>& image_sizes,
                                        const DenseConfig& config, const LevelRule& rule,
                                        double score_threshold);
PaddedDetections select_padded_ssd(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                                   const std::vector<ImageSize>& image_sizes,
                                   const DenseConfig& config, double score_threshold);

// Copies everything to the host at once, the only wait, and cuts off the padding. What is on the
// device stays there besides.
struct FetchedDetections {
  std::vector<Detections> on_host;
  std::vector<Detections> on_device;
  bool finite;
};
FetchedDetections fetch(const PaddedDetections& detections);

}  // namespace torchdet::detection
