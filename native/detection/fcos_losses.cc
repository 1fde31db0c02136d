#include "fcos_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>

#include <algorithm>

#include "box_coder.h"
#include "box_iou.h"
#include "fcos_matcher.h"
#include "focal_loss.h"
#include "labelled_classes.h"
#include "matched_places.h"

namespace torchdet::detection {
namespace {

using Matcher = at::Tensor (*)(const at::Tensor& boxes, const at::Tensor& places,
                               const std::vector<int64_t>& level_places, double radius);

// What the matched points (P) are trained towards.
struct FcosTargets {
  MatchedPlaces matched;
  at::Tensor counted;     // of labelled_columns
  at::Tensor references;  // P x 4 anchors or P x 3 points
  at::Tensor sides;       // P x 4: left, top, right, bottom in units of the reference's size
  at::Tensor centerness;  // P
};

FcosTargets match(Matcher matcher, const DensePlaces& places, const std::vector<Target>& targets,
                  double radius, int64_t first_label, int64_t classes) {
  std::vector<at::Tensor> matches;
  for (const Target& target : targets)
    matches.push_back(matcher(target.boxes, places.references, places.level_places, radius));
  FcosTargets found;
  found.matched = matched_places(matches, targets, first_label);
  found.counted = labelled_columns(targets, first_label, first_label + classes, first_label,
                                   classes, places.references.device());
  found.references = places.references.index_select(0, found.matched.places);
  return found;
}

// 1 where a point is the middle of its box, 0 on its edge.
at::Tensor centerness_of(const at::Tensor& sides) {
  const at::Tensor left = sides.select(1, 0), top = sides.select(1, 1);
  const at::Tensor right = sides.select(1, 2), bottom = sides.select(1, 3);
  return ((at::minimum(left, right) / at::maximum(left, right)) *
          (at::minimum(top, bottom) / at::maximum(top, bottom)))
      .sqrt_();
}

// The three losses before they are divided by anything.
struct Sums {
  at::Tensor classification, box, centerness;
};

Sums sums_of(const DenseOutputs& outputs, const FcosTargets& targets, const at::Tensor& box) {
  return {
      focal_loss_sums(outputs.cls_logits, targets.matched.classes, targets.counted).sum(),
      box.sum(),
      at::binary_cross_entropy_with_logits(targets.matched.pick(outputs.bbox_ctrness).squeeze(1),
                                           targets.centerness, {}, {}, at::Reduction::Sum)};
}

Losses named(const Sums& sums, const at::Tensor& box, const FcosTargets& targets) {
  const auto points = static_cast<double>(std::max<int64_t>(1, targets.matched.total()));
  return {{"classification", sums.classification / points},
          {"bbox_regression", box},
          {"bbox_ctrness", sums.centerness / points}};
}

// P: 1 - GIoU of rectangles around the same points, by the distances of their sides.
at::Tensor side_losses(const at::Tensor& found, const at::Tensor& wanted) {
  const auto area = [](const at::Tensor& near, const at::Tensor& far) {
    const at::Tensor lengths = near + far;
    return lengths.select(1, 0) * lengths.select(1, 1);
  };
  const auto first = [](const at::Tensor& sides) { return sides.narrow(1, 0, 2); };
  const auto last = [](const at::Tensor& sides) { return sides.narrow(1, 2, 2); };
  const at::Tensor least = at::minimum(found, wanted), most = at::maximum(found, wanted);
  const at::Tensor shared = area(first(least), last(least));
  const at::Tensor enclosing = area(first(most), last(most)) + 1e-7;
  const at::Tensor both =
      area(first(wanted), last(wanted)) + area(first(found), last(found)) - shared;
  const at::Tensor iou = (shared + 1) / (both + 1);
  return 1 - (iou - (enclosing - both) / enclosing);
}

}  // namespace

Losses fcos_losses(const DenseOutputs& outputs, const DensePlaces& anchors,
                   const std::vector<Target>& targets, const DenseConfig& config) {
  FcosTargets found;
  {
    const at::NoGradGuard no_gradients;
    found = match(match_anchor_points, anchors, targets, config.training.center_sampling_radius,
                  /*first_label=*/0, outputs.cls_logits.size(2));
    found.sides = encode_linear(found.matched.boxes, found.references);
    found.centerness = centerness_of(found.sides);
  }
  const at::Tensor boxes =
      decode_linear(found.matched.pick(outputs.bbox_regression), found.references);
  const Sums sums =
      sums_of(outputs, found, generalized_box_iou_loss(boxes, found.matched.boxes, 1e-7));
  const auto points = static_cast<double>(std::max<int64_t>(1, found.matched.total()));
  return named(sums, sums.box / points, found);
}

Losses fcos_original_losses(const DenseOutputs& outputs, const DensePlaces& points,
                            const std::vector<Target>& targets, const DenseConfig& config) {
  FcosTargets found;
  at::Tensor total_centerness;
  {
    const at::NoGradGuard no_gradients;
    found = match(match_points, points, targets, config.training.center_sampling_radius,
                  /*first_label=*/1, outputs.cls_logits.size(2));
    const at::Tensor point = found.references.narrow(1, 0, 2);
    found.sides = at::cat({point - found.matched.boxes.narrow(1, 0, 2),
                           found.matched.boxes.narrow(1, 2, 2) - point},
                          /*dim=*/1) /
                  found.references.narrow(1, 2, 1);
    found.centerness = centerness_of(found.sides);
    total_centerness = found.centerness.sum();
    // No points: nothing is divided, and the loss is 0 with a gradient of zeros.
    if (found.matched.total() == 0) total_centerness.fill_(1);
  }
  const at::Tensor losses = side_losses(found.matched.pick(outputs.bbox_regression), found.sides);
  const Sums sums = sums_of(outputs, found, losses * found.centerness);
  return named(sums, sums.box / total_centerness, found);
}

}  // namespace torchdet::detection
