#include "rpn.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/topk.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "../ops/operators.h"
#include "box_coder.h"
#include "checks.h"

namespace torchdet::detection {
namespace {

constexpr double kMinSide = 1e-3;

// N x A*C x H x W to N x H*W*A x C.
at::Tensor flatten_level(const at::Tensor& map, int64_t anchors, int64_t numbers) {
  const int64_t images = map.size(0);
  return map.view({images, anchors, numbers, map.size(2), map.size(3)})
      .permute({0, 3, 4, 1, 2})
      .reshape({images, -1, numbers});
}

void check_level(const at::Tensor& objectness, const at::Tensor& deltas, size_t level) {
  TORCH_CHECK(objectness.dim() == 4 && deltas.dim() == 4 && objectness.size(0) == deltas.size(0) &&
                  deltas.size(1) == 4 * objectness.size(1) &&
                  objectness.sizes().slice(2) == deltas.sizes().slice(2),
              "the RPN head's outputs of level ", level, " do not fit: objectness ",
              objectness.sizes(), ", deltas ", deltas.sizes(),
              "; wanted are N x A x H x W and N x 4A x H x W");
}

// Indices (N x K, into the S anchors) of the best of each level by logit, level by level.
at::Tensor best_per_level(const at::Tensor& objectness, const std::vector<int64_t>& level_anchors,
                          int64_t top_n) {
  std::vector<at::Tensor> best;
  int64_t offset = 0;
  for (const int64_t count : level_anchors) {
    const at::Tensor logits = objectness.narrow(1, offset, count);
    best.push_back(std::get<1>(at::topk(logits, std::min(top_n, count), /*dim=*/1)).add_(offset));
    offset += count;
  }
  return at::cat(best, /*dim=*/1);
}

// Level of each index that best_per_level gives for one image (K, int64).
at::Tensor best_levels(const std::vector<int64_t>& level_anchors, int64_t top_n,
                       const at::TensorOptions& options) {
  std::vector<at::Tensor> levels;
  for (size_t level = 0; level < level_anchors.size(); ++level) {
    levels.push_back(
        at::full({std::min(top_n, level_anchors[level])}, static_cast<int64_t>(level), options));
  }
  return at::cat(levels);
}

struct ScoredBoxes {
  at::Tensor boxes;
  at::Tensor scores;
};

// What is left of one image's decoded boxes.
ScoredBoxes filter_boxes(const at::Tensor& decoded, const at::Tensor& scores,
                         const at::Tensor& levels, const ImageSize& size, const RpnConfig& config,
                         int64_t top_n) {
  const at::Tensor clipped = clip_boxes(decoded, size);
  const at::Tensor keep =
      at::nonzero(large_enough(clipped, kMinSide).logical_and_(scores.ge(config.score_thresh)))
          .squeeze(1);
  const at::Tensor boxes = clipped.index_select(0, keep);
  const at::Tensor kept_scores = scores.index_select(0, keep);
  const at::Tensor kept_levels = levels.index_select(0, keep);
  const at::Tensor survivors = ops::batched_nms(boxes, kept_scores, kept_levels, config.nms_thresh);
  const at::Tensor best = survivors.narrow(0, 0, std::min(top_n, survivors.size(0)));
  return {boxes.index_select(0, best), kept_scores.index_select(0, best)};
}

}  // namespace

FlatHeads flatten_heads(const std::vector<at::Tensor>& objectness,
                        const std::vector<at::Tensor>& deltas) {
  TORCH_CHECK(!objectness.empty() && objectness.size() == deltas.size(), "the RPN head gives ",
              objectness.size(), " objectness maps and ", deltas.size(), " delta maps");
  FlatHeads flat;
  std::vector<at::Tensor> flat_objectness;
  std::vector<at::Tensor> flat_deltas;
  for (size_t level = 0; level < objectness.size(); ++level) {
    check_level(objectness[level], deltas[level], level);
    const int64_t anchors = objectness[level].size(1);
    flat_objectness.push_back(flatten_level(objectness[level], anchors, 1));
    flat_deltas.push_back(flatten_level(deltas[level], anchors, 4));
    flat.level_anchors.push_back(flat_objectness.back().size(1));
  }
  flat.objectness = at::cat(flat_objectness, /*dim=*/1).view({-1, 1});
  flat.deltas = at::cat(flat_deltas, /*dim=*/1).view({-1, 4});
  return flat;
}

Proposals select_proposals(const FlatHeads& heads, const at::Tensor& anchors,
                           const std::vector<ImageSize>& image_sizes, const RpnConfig& config,
                           const ProposalLimits& limits) {
  const auto images = static_cast<int64_t>(image_sizes.size());
  const int64_t per_image = anchors.size(0);
  TORCH_CHECK(heads.objectness.size(0) == images * per_image, "the RPN head gives ",
              heads.objectness.size(0), " logits for ", images, " images of ", per_image,
              " anchors each");
  check_finite(heads.objectness, "RPN objectness logits");
  check_finite(heads.deltas, "RPN box deltas");
  const at::Tensor objectness = heads.objectness.view({images, per_image});
  const at::Tensor deltas = heads.deltas.view({images, per_image, 4});
  const at::Tensor best = best_per_level(objectness, heads.level_anchors, limits.pre_nms_top_n);
  const at::Tensor levels = best_levels(heads.level_anchors, limits.pre_nms_top_n, best.options());
  const at::Tensor scores = at::sigmoid(at::gather(objectness, 1, best));
  const BoxCoder coder({1, 1, 1, 1});
  Proposals proposals;
  for (int64_t image = 0; image < images; ++image) {
    const at::Tensor decoded = coder.decode(deltas[image].index_select(0, best[image]),
                                            anchors.index_select(0, best[image]));
    ScoredBoxes kept = filter_boxes(decoded, scores[image], levels, image_sizes[image], config,
                                    limits.post_nms_top_n);
    proposals.boxes.push_back(std::move(kept.boxes));
    proposals.scores.push_back(std::move(kept.scores));
  }
  return proposals;
}

}  // namespace torchdet::detection
