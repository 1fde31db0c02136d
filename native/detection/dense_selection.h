// What the one-stage families' selections share: candidates above a threshold, the best of each
// group (a level, or a class), and non-maximum suppression of those. Free functions that own
// nothing. Call them with gradients off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "config.h"
#include "network.h"
#include "types.h"

namespace torchdet::detection {

// The S places of one image that a head speaks of, in its order.
struct DensePlaces {
  at::Tensor references;  // S x 4 anchors or default boxes, or S x 3 points with strides
  std::vector<int64_t> level_places;  // per level; they add up to S
};

// Throws where the outputs do not fit N images of S places; check_outputs also where they are not
// finite.
void check_output_shapes(const DenseOutputs& outputs, const DensePlaces& places, size_t images,
                         bool wants_ctrness);
void check_outputs(const DenseOutputs& outputs, const DensePlaces& places, size_t images,
                   bool wants_ctrness);

// Candidates of one image, group by group.
struct Candidates {
  at::Tensor scores;                 // K
  at::Tensor places;                 // K, index of the place
  at::Tensor labels;                 // K
  std::vector<int64_t> group_sizes;  // they add up to K
};

// How many of the ascending `flat` indices fall into each of consecutive ranges of these lengths.
std::vector<int64_t> group_sizes(const at::Tensor& flat, const std::vector<int64_t>& lengths);

// The `top_n` best of each group, best first (equal scores: those torch.topk takes).
Candidates best_of_groups(const Candidates& candidates, int64_t top_n);

// Suppression among boxes of equal labels, then the first detections_per_img.
Detections suppress(const Candidates& candidates, const at::Tensor& boxes,
                    const DenseConfig& config);

// Where a head with sigmoids (RetinaNet, FCOS) differs from its kin.
struct LevelScores {
  at::Tensor scores;    // that candidates are ranked by and leave with
  at::Tensor compared;  // that must be strictly above score_thresh
};
struct LevelRule {
  // Class probability at or below which nothing can pass: saves scoring every logit.
  double least_probability = 0;
  // From class probabilities K and centerness logits K (undefined where the head has none).
  std::function<LevelScores(const at::Tensor& probabilities, const at::Tensor& ctrness)> score;
  // Boxes K x 4 from deltas K x 4 and references.
  std::function<at::Tensor(const at::Tensor& deltas, const at::Tensor& references)> decode;
  int64_t first_label = 0;  // of class 0
};

// Per level the best topk_candidates of all places and classes, decoded and clipped to the image,
// then suppress().
std::vector<Detections> select_by_level(const DenseOutputs& outputs, const DensePlaces& places,
                                        const std::vector<ImageSize>& image_sizes,
                                        const DenseConfig& config, const LevelRule& rule);

}  // namespace torchdet::detection
