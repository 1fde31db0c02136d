// The region proposal network around its head, as torchvision's RegionProposalNetwork: flattening
// the head's outputs and selecting proposals from them. Free functions that own nothing. Call them
// with gradients off, except flatten_heads, which training differentiates.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

// The head's outputs for a batch of N images with S anchors each: image by image, level by level,
// row by row, cell by cell, that is in the order of the anchors.
struct FlatHeads {
  at::Tensor objectness;               // N*S x 1 logits
  at::Tensor deltas;                   // N*S x 4
  std::vector<int64_t> level_anchors;  // anchors per level, for one image; they add up to S
};

// From objectness N x A x H x W and deltas N x 4A x H x W per level.
FlatHeads flatten_heads(const std::vector<at::Tensor>& objectness,
                        const std::vector<at::Tensor>& deltas);

// How many boxes survive the top-k of each level and the non-maximum suppression (training and
// evaluation differ).
struct ProposalLimits {
  int64_t pre_nms_top_n;
  int64_t post_nms_top_n;
};

struct Proposals {
  std::vector<at::Tensor> boxes;   // per image N x 4, best first
  std::vector<at::Tensor> scores;  // per image N, sigmoid of the logits
};

// Per level the best `pre_nms_top_n` by logit (equal logits: those torch.topk takes), decoded,
// clipped to the image, without sides below 1e-3 and scores below score_thresh, NMS per level, then
// the best `post_nms_top_n`. `anchors` is S x 4, `image_sizes` the sizes before padding.
Proposals select_proposals(const FlatHeads& heads, const at::Tensor& anchors,
                           const std::vector<ImageSize>& image_sizes, const RpnConfig& config,
                           const ProposalLimits& limits);

}  // namespace torchdet::detection
