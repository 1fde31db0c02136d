#include "roi_branch_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include "../ops/operators.h"

namespace torchdet::detection {
namespace {

int64_t total(const std::vector<RoiSample>& samples) {
  int64_t count = 0;
  for (const RoiSample& sample : samples) count += sample.labels.size(0);
  return count;
}

// R x M x M: each RoI's cut of its object's mask.
at::Tensor wanted_masks(const std::vector<RoiSample>& positives, const std::vector<Target>& targets,
                        int64_t side) {
  std::vector<at::Tensor> masks;
  for (size_t i = 0; i < positives.size(); ++i) {
    const RoiSample& sample = positives[i];
    if (sample.labels.size(0) == 0) continue;
    const at::Tensor rois = at::cat({sample.matches.to(at::kFloat).unsqueeze(1), sample.boxes}, 1);
    masks.push_back(ops::roi_align(targets[i].masks.unsqueeze(1).to(at::kFloat), rois,
                                   /*spatial_scale=*/1.0, side, side, /*sampling_ratio=*/-1,
                                   /*aligned=*/false)
                        .squeeze(1));
  }
  return at::cat(masks);
}

// Of each keypoint, R x K: its place in a heat map of `side` squared, and whether it has one.
struct HeatmapPlaces {
  at::Tensor places;  // int64
  at::Tensor valid;   // bool
};

// Cells of points along one axis; the box's far edge belongs to the last cell.
at::Tensor cells(const at::Tensor& points, const at::Tensor& low, const at::Tensor& high,
                 int64_t side) {
  // torch divides a number by a tensor as number * reciprocal: so the scale comes out alike.
  const at::Tensor scale = (high - low).reciprocal() * static_cast<double>(side);
  const at::Tensor cell = ((points - low) * scale).floor().to(at::kLong);
  return at::where(points.eq(high), side - 1, cell);
}

HeatmapPlaces heatmap_places(const at::Tensor& keypoints, const at::Tensor& boxes, int64_t side) {
  const auto edge = [&](int64_t index) { return boxes.narrow(1, index, 1); };
  const at::Tensor x = cells(keypoints.select(2, 0), edge(0), edge(2), side);
  const at::Tensor y = cells(keypoints.select(2, 1), edge(1), edge(3), side);
  const at::Tensor inside =
      x.ge(0).logical_and_(y.ge(0)).logical_and_(x.lt(side)).logical_and_(y.lt(side));
  return {y * side + x, inside.logical_and(keypoints.select(2, 2).gt(0))};
}

at::Tensor keypoints_of(const std::vector<RoiSample>& positives, const std::vector<Target>& targets,
                        int64_t count) {
  std::vector<at::Tensor> keypoints;
  for (size_t i = 0; i < positives.size(); ++i) {
    const at::Tensor& given = targets[i].keypoints;
    if (given.size(0) > 0 && given.size(1) != count) {
      throw TargetError(c10::str("the objects of image ", i, " have ", given.size(1),
                                 " keypoints each; this model finds ", count));
    }
    if (given.size(0) > 0) keypoints.push_back(given.index_select(0, positives[i].matches));
  }
  return at::cat(keypoints);
}

}  // namespace

at::Tensor mask_loss(const at::Tensor& logits, const std::vector<RoiSample>& positives,
                     const std::vector<Target>& targets) {
  const int64_t count = total(positives);
  TORCH_CHECK(logits.dim() == 4 && logits.size(0) == count && logits.size(2) == logits.size(3),
              "the mask branch's output has shape ", logits.sizes(), "; wanted is ", count,
              " x classes x M x M");
  if (count == 0) return logits.sum() * 0;
  at::Tensor rows;
  at::Tensor labels;
  at::Tensor masks;
  {
    const at::NoGradGuard no_gradients;
    std::vector<at::Tensor> all_labels;
    for (const RoiSample& sample : positives) all_labels.push_back(sample.labels);
    labels = at::cat(all_labels);
    rows = at::arange(count, labels.options());
    masks = wanted_masks(positives, targets, logits.size(3));
  }
  return at::binary_cross_entropy_with_logits(logits.index({rows, labels}), masks);
}

at::Tensor keypoint_loss(const at::Tensor& heatmaps, const std::vector<RoiSample>& positives,
                         const std::vector<Target>& targets) {
  const int64_t count = total(positives);
  TORCH_CHECK(
      heatmaps.dim() == 4 && heatmaps.size(0) == count && heatmaps.size(2) == heatmaps.size(3),
      "the keypoint branch's output has shape ", heatmaps.sizes(), "; wanted is ", count,
      " x keypoints x M x M");
  if (count == 0) return heatmaps.sum() * 0;
  const int64_t side = heatmaps.size(2);
  at::Tensor valid;
  at::Tensor places;
  {
    const at::NoGradGuard no_gradients;
    const HeatmapPlaces wanted = heatmap_places(keypoints_of(positives, targets, heatmaps.size(1)),
                                                at::cat(boxes_of(positives)), side);
    valid = at::nonzero(wanted.valid.flatten()).squeeze(1);
    places = wanted.places.flatten().index_select(0, valid);
  }
  if (valid.size(0) == 0) return heatmaps.sum() * 0;
  return at::cross_entropy_loss(heatmaps.reshape({-1, side * side}).index_select(0, valid), places);
}

}  // namespace torchdet::detection
