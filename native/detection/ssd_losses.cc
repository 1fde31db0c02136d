#include "ssd_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/sort.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "box_coder.h"
#include "labelled_classes.h"
#include "matched_places.h"
#include "matcher.h"

namespace torchdet::detection {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

MatchedPlaces match(const at::Tensor& default_boxes, const std::vector<Target>& targets,
                    double threshold) {
  const MatchRule rule = {threshold, threshold, LowQuality::kForceBest};
  std::vector<at::Tensor> matches;
  for (const Target& target : targets)
    matches.push_back(match_boxes(target.boxes, default_boxes, rule));
  return matched_places(matches, targets, /*first_label=*/0);
}

// N x S x classes bool, or undefined: the logits that are left out of the softmax, those of classes
// that the image does not mark where there is no object.
at::Tensor left_out(const MatchedPlaces& matched, const std::vector<Target>& targets,
                    int64_t classes) {
  const at::Tensor counted =
      labelled_columns(targets, 1, classes, 0, classes, matched.classes.device());
  if (!counted.defined()) return counted;
  return matched.classes.lt(0).unsqueeze(2).logical_and(counted.logical_not().unsqueeze(1));
}

// Rows among the N*S of the background boxes that count: of each image those of the greatest loss,
// `ratio` for each matched one. Where an image has not so many, matched ones follow (whose loss
// then counts twice, as in torchvision).
at::Tensor hard_negatives(const at::Tensor& losses, const MatchedPlaces& matched, double ratio) {
  const at::Tensor ranking = losses.detach().masked_fill(matched.classes.ge(0), -kInfinity);
  const at::Tensor order =
      std::get<1>(at::sort(ranking, /*stable=*/true, /*dim=*/1, /*descending=*/true));
  const int64_t places = losses.size(1);
  std::vector<at::Tensor> rows;
  for (int64_t image = 0; image < losses.size(0); ++image) {
    const double wanted = std::ceil(ratio * static_cast<double>(matched.counts[image]));
    const auto count = static_cast<int64_t>(std::min<double>(wanted, static_cast<double>(places)));
    rows.push_back(order[image].narrow(0, 0, count) + image * places);
  }
  return at::cat(rows);
}

}  // namespace

Losses ssd_losses(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                  const std::vector<Target>& targets, const DenseConfig& config) {
  const int64_t classes = outputs.cls_logits.size(2);
  MatchedPlaces matched;
  at::Tensor deltas, hidden;
  {
    const at::NoGradGuard no_gradients;
    matched = match(default_boxes.references, targets, config.training.fg_iou_thresh);
    deltas = BoxCoder(config.bbox_reg_weights)
                 .encode(matched.boxes, default_boxes.references.index_select(0, matched.places));
    hidden = left_out(matched, targets, classes);
  }
  const at::Tensor box_loss =
      at::smooth_l1_loss(matched.pick(outputs.bbox_regression), deltas, at::Reduction::Sum);
  const at::Tensor logits =
      hidden.defined() ? outputs.cls_logits.masked_fill(hidden, -kInfinity) : outputs.cls_logits;
  const at::Tensor losses =
      at::cross_entropy_loss(logits.flatten(0, 1), matched.classes.clamp_min(0).flatten(), {},
                             at::Reduction::None)
          .view(matched.classes.sizes());
  const double fraction = config.training.positive_fraction;
  const at::Tensor negatives = hard_negatives(losses, matched, (1 - fraction) / fraction);
  const at::Tensor flat = losses.flatten();
  const auto count = static_cast<double>(std::max<int64_t>(1, matched.total()));
  return {
      {"bbox_regression", box_loss / count},
      {"classification",
       (flat.index_select(0, matched.rows).sum() + flat.index_select(0, negatives).sum()) / count}};
}

}  // namespace torchdet::detection
