#include "retinanet_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "box_coder.h"
#include "box_iou.h"
#include "focal_loss.h"
#include "labelled_classes.h"
#include "matched_places.h"
#include "matcher.h"

namespace torchdet::detection {
namespace {

MatchedPlaces match(const at::Tensor& anchors, const std::vector<Target>& targets,
                    const DenseTrainingConfig& config) {
  const MatchRule rule = {config.fg_iou_thresh, config.bg_iou_thresh, LowQuality::kRestoreTies};
  std::vector<at::Tensor> matches;
  for (const Target& target : targets) matches.push_back(match_boxes(target.boxes, anchors, rule));
  return matched_places(matches, targets, /*first_label=*/0);
}

// P: of each matched anchor.
at::Tensor box_losses(const at::Tensor& deltas, const at::Tensor& anchors, const at::Tensor& boxes,
                      const DenseConfig& config) {
  const BoxCoder coder(config.bbox_reg_weights);
  if (config.training.box_loss == BoxLoss::kGiou)
    return generalized_box_iou_loss(coder.decode(deltas, anchors), boxes, 1e-7);
  return (deltas - coder.encode(boxes, anchors)).abs().sum(1);
}

}  // namespace

Losses retinanet_losses(const DenseOutputs& outputs, const DensePlaces& anchors,
                        const std::vector<Target>& targets, const DenseConfig& config) {
  MatchedPlaces matched;
  at::Tensor counted, divisors, references;
  {
    const at::NoGradGuard no_gradients;
    const int64_t classes = outputs.cls_logits.size(2);
    const c10::Device device = outputs.cls_logits.device();
    matched = match(anchors.references, targets, config.training);
    counted = labelled_columns(targets, 0, classes, 0, classes, device);
    std::vector<float> counts;
    for (const int64_t count : matched.counts)
      counts.push_back(static_cast<float>(std::max<int64_t>(1, count)));
    divisors = at::tensor(counts).to(device);
    references = anchors.references.index_select(0, matched.places);
  }
  const auto images = static_cast<double>(targets.size());
  const at::Tensor focal = focal_loss_sums(outputs.cls_logits, matched.classes, counted);
  const at::Tensor box =
      box_losses(matched.pick(outputs.bbox_regression), references, matched.boxes, config);
  return {{"classification", (focal / divisors).sum() / images},
          {"bbox_regression", (box / divisors.index_select(0, matched.images)).sum() / images}};
}

}  // namespace torchdet::detection
