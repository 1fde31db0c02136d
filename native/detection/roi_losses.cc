#include "roi_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

#include "box_coder.h"
#include "labelled_classes.h"
#include "matcher.h"
#include "sampler.h"
#include "training_batch.h"

namespace torchdet::detection {
namespace {

constexpr double kBeta = 1.0 / 9;

RoiSample select(const RoiSample& sample, const at::Tensor& rows) {
  return {sample.boxes.index_select(0, rows), sample.labels.index_select(0, rows),
          sample.matches.index_select(0, rows)};
}

// All proposals of an image, with -1 for labels of those that are neither object nor background.
RoiSample label_proposals(const at::Tensor& proposals, const Target& target,
                          const MatchRule& rule) {
  RoiSample labelled;
  labelled.boxes = at::cat({proposals, target.boxes});
  const at::Tensor matches = match_boxes(target.boxes, labelled.boxes, rule);
  labelled.matches = matches.clamp_min(0);
  labelled.labels = target.boxes.size(0) == 0 ? at::zeros_like(matches)
                                              : target.labels.index_select(0, labelled.matches);
  const bool nothing_marked = target.labelled_classes && target.labelled_classes->empty();
  labelled.labels.masked_fill_(matches.eq(kBelowLowThreshold), nothing_marked ? -1 : 0);
  labelled.labels.masked_fill_(matches.eq(kBetweenThresholds), -1);
  return labelled;
}

// Logits of classes an image does not mark, left out of the softmax of its background RoIs.
at::Tensor leave_out_unmarked(const at::Tensor& logits, const at::Tensor& labels,
                              const std::vector<RoiSample>& samples,
                              const std::vector<Target>& targets) {
  const int64_t classes = logits.size(1);
  at::Tensor marked = labelled_columns(targets, 1, classes, 0, classes, logits.device());
  if (!marked.defined()) return logits;
  marked.select(1, 0).fill_(true);
  std::vector<at::Tensor> images;
  for (size_t i = 0; i < samples.size(); ++i)
    images.push_back(
        at::full({samples[i].labels.size(0)}, static_cast<int64_t>(i), labels.options()));
  const at::Tensor unmarked = marked.logical_not().index_select(0, at::cat(images));
  return logits.masked_fill(unmarked.logical_and(labels.eq(0).unsqueeze(1)),
                            -std::numeric_limits<double>::infinity());
}

// Deltas that the positive RoIs should get.
at::Tensor wanted_deltas(const std::vector<RoiSample>& positives,
                         const std::vector<Target>& targets, const RoiHeadsConfig& config) {
  std::vector<at::Tensor> boxes;
  for (size_t i = 0; i < positives.size(); ++i)
    boxes.push_back(targets[i].boxes.index_select(0, positives[i].matches));
  return BoxCoder(config.bbox_reg_weights).encode(at::cat(boxes), at::cat(boxes_of(positives)));
}

}  // namespace

std::vector<RoiSample> positive_rois(const std::vector<RoiSample>& samples) {
  std::vector<RoiSample> positives;
  for (const RoiSample& sample : samples)
    positives.push_back(select(sample, at::nonzero(sample.labels.gt(0)).squeeze(1)));
  return positives;
}

std::vector<at::Tensor> boxes_of(const std::vector<RoiSample>& samples) {
  std::vector<at::Tensor> boxes;
  for (const RoiSample& sample : samples) boxes.push_back(sample.boxes);
  return boxes;
}

std::vector<RoiSample> sample_rois(const std::vector<at::Tensor>& proposals,
                                   const std::vector<Target>& targets, const RoiHeadsConfig& config,
                                   const at::Generator& generator) {
  const MatchRule match_rule{config.fg_iou_thresh, config.bg_iou_thresh, LowQuality::kIgnore};
  const SamplerRule sampler_rule{config.batch_size_per_image, config.positive_fraction};
  std::vector<RoiSample> samples;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const RoiSample labelled = label_proposals(proposals[i], targets[i], match_rule);
    const Sample drawn = sample_balanced(labelled.labels, sampler_rule, generator);
    samples.push_back(
        select(labelled, std::get<0>(at::sort(at::cat({drawn.positive, drawn.negative})))));
  }
  return samples;
}

BoxLosses box_losses(const at::Tensor& class_logits, const at::Tensor& box_regression,
                     const std::vector<RoiSample>& samples, const std::vector<Target>& targets,
                     const RoiHeadsConfig& config) {
  std::vector<at::Tensor> all_labels;
  for (const RoiSample& sample : samples) all_labels.push_back(sample.labels);
  const at::Tensor labels = at::cat(all_labels);
  const int64_t count = labels.size(0);
  TORCH_CHECK(
      class_logits.dim() == 2 && class_logits.size(0) == count && box_regression.dim() == 2 &&
          box_regression.size(0) == count && box_regression.size(1) == 4 * class_logits.size(1),
      "the box head's outputs do not fit ", count, " samples: class logits ", class_logits.sizes(),
      ", box regression ", box_regression.sizes(), "; wanted are R x C and R x 4C");
  const int64_t classes = class_logits.size(1);
  check_labels(targets, 1, classes);
  const auto divisor = static_cast<double>(std::max<int64_t>(1, count));
  const at::Tensor logits = leave_out_unmarked(class_logits, labels, samples, targets);
  const at::Tensor entropy = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum);
  at::Tensor rows;
  at::Tensor deltas;
  {
    const at::NoGradGuard no_gradients;
    const at::Tensor positive = at::nonzero(labels.gt(0)).squeeze(1);
    rows = positive * classes + labels.index_select(0, positive);
    deltas = wanted_deltas(positive_rois(samples), targets, config);
  }
  const at::Tensor distance = at::smooth_l1_loss(
      box_regression.reshape({-1, 4}).index_select(0, rows), deltas, at::Reduction::Sum, kBeta);
  return {entropy / divisor, distance / divisor};
}

}  // namespace torchdet::detection
