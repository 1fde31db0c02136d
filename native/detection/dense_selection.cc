#include "dense_selection.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "../ops/operators.h"
#include "box_coder.h"
#include "checks.h"
#include "serial_scope.h"

namespace torchdet::detection {
namespace {

// A logit that everything of a probability above `probability` exceeds. Somewhat too low, since
// sigmoids are rounded: what it lets through is compared again by its probability.
double least_logit(double probability) {
  const double lowered = probability - 1e-6;
  if (lowered <= 0) return -std::numeric_limits<double>::infinity();
  if (lowered >= 1) return std::numeric_limits<double>::infinity();
  return std::log(lowered / (1 - lowered));
}

// Indices into the flattened logits (S x classes) of one image that may pass.
at::Tensor possible(const at::Tensor& logits, double least_probability) {
  return at::nonzero(logits.reshape({-1}).gt(least_logit(least_probability))).squeeze(1);
}

Detections select_in_image(const DenseOutputs& outputs, int64_t image, const DensePlaces& places,
                           const ImageSize& size, const DenseConfig& config,
                           const LevelRule& rule) {
  const at::Tensor logits = outputs.cls_logits[image];
  const int64_t classes = logits.size(1);
  at::Tensor flat = possible(logits, rule.least_probability);
  at::Tensor ctrness;
  if (outputs.bbox_ctrness.defined()) {
    ctrness =
        outputs.bbox_ctrness[image].reshape({-1}).index_select(0, at::div(flat, classes, "floor"));
  }
  const at::Tensor probabilities = at::sigmoid(logits.reshape({-1}).index_select(0, flat));
  const LevelScores scored = rule.score(probabilities, ctrness);
  const at::Tensor keep = at::nonzero(scored.compared.gt(config.score_thresh)).squeeze(1);
  flat = flat.index_select(0, keep);
  std::vector<int64_t> level_logits = places.level_places;
  for (int64_t& count : level_logits) count *= classes;
  const Candidates best = best_of_groups(
      {scored.scores.index_select(0, keep), at::div(flat, classes, "floor"),
       at::remainder(flat, classes).add_(rule.first_label), group_sizes(flat, level_logits)},
      config.topk_candidates);
  // So far a pass over all logits and one over candidates, which may be millions: worth every
  // thread.
  const SerialScope serial;
  const at::Tensor boxes = rule.decode(outputs.bbox_regression[image].index_select(0, best.places),
                                       places.references.index_select(0, best.places));
  return suppress(best, clip_boxes(boxes, size), config);
}

}  // namespace

void check_output_shapes(const DenseOutputs& outputs, const DensePlaces& places, size_t images,
                         bool wants_ctrness) {
  const auto count = static_cast<int64_t>(images);
  const int64_t total = places.references.size(0);
  const auto fits = [&](const at::Tensor& tensor, int64_t numbers) {
    return tensor.dim() == 3 && tensor.size(0) == count && tensor.size(1) == total &&
           (numbers < 0 ? tensor.size(2) > 0 : tensor.size(2) == numbers);
  };
  TORCH_CHECK(fits(outputs.cls_logits, -1), "the head's cls_logits have shape ",
              outputs.cls_logits.sizes(), "; wanted is ", count, " x ", total,
              " x classes: images x places, as the feature maps and the anchors say");
  TORCH_CHECK(fits(outputs.bbox_regression, 4), "the head's bbox_regression has shape ",
              outputs.bbox_regression.sizes(), "; wanted is ", count, " x ", total, " x 4");
  if (!wants_ctrness) return;
  TORCH_CHECK(outputs.bbox_ctrness.defined(), "the head gives no bbox_ctrness, which FCOS needs");
  TORCH_CHECK(fits(outputs.bbox_ctrness, 1), "the head's bbox_ctrness has shape ",
              outputs.bbox_ctrness.sizes(), "; wanted is ", count, " x ", total, " x 1");
}

void check_outputs(const DenseOutputs& outputs, const DensePlaces& places, size_t images,
                   bool wants_ctrness) {
  check_output_shapes(outputs, places, images, wants_ctrness);
  check_finite(outputs.cls_logits, "class logits");
  check_finite(outputs.bbox_regression, "box regression");
  if (wants_ctrness) check_finite(outputs.bbox_ctrness, "centerness logits");
}

std::vector<int64_t> group_sizes(const at::Tensor& flat, const std::vector<int64_t>& lengths) {
  std::vector<int64_t> ends;
  int64_t end = 0;
  for (const int64_t length : lengths) ends.push_back(end += length);
  const at::Tensor found =
      at::searchsorted(flat, at::tensor(ends, at::kLong).to(flat.device())).cpu();
  const int64_t* position = found.const_data_ptr<int64_t>();
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < lengths.size(); ++i) {
    sizes.push_back(position[i] - (i == 0 ? 0 : position[i - 1]));
  }
  return sizes;
}

Candidates best_of_groups(const Candidates& candidates, int64_t top_n) {
  std::vector<at::Tensor> best = {at::empty({0}, candidates.places.options())};
  Candidates result;
  int64_t offset = 0;
  for (const int64_t size : candidates.group_sizes) {
    const int64_t count = std::min(top_n, size);
    if (count > 0) {
      const at::Tensor scores = candidates.scores.narrow(0, offset, size);
      best.push_back(std::get<1>(at::topk(scores, count)).add_(offset));
    }
    result.group_sizes.push_back(count);
    offset += size;
  }
  const at::Tensor indices = at::cat(best);
  result.scores = candidates.scores.index_select(0, indices);
  result.places = candidates.places.index_select(0, indices);
  result.labels = candidates.labels.index_select(0, indices);
  return result;
}

Detections suppress(const Candidates& candidates, const at::Tensor& boxes,
                    const DenseConfig& config) {
  const at::Tensor survivors =
      ops::batched_nms(boxes, candidates.scores, candidates.labels, config.nms_thresh);
  const at::Tensor best =
      survivors.narrow(0, 0, std::min(config.detections_per_img, survivors.size(0)));
  Detections detections;
  detections.boxes = boxes.index_select(0, best);
  detections.labels = candidates.labels.index_select(0, best);
  detections.scores = candidates.scores.index_select(0, best);
  return detections;
}

std::vector<Detections> select_by_level(const DenseOutputs& outputs, const DensePlaces& places,
                                        const std::vector<ImageSize>& image_sizes,
                                        const DenseConfig& config, const LevelRule& rule) {
  std::vector<Detections> detections;
  for (size_t i = 0; i < image_sizes.size(); ++i) {
    detections.push_back(
        select_in_image(outputs, static_cast<int64_t>(i), places, image_sizes[i], config, rule));
  }
  return detections;
}

}  // namespace torchdet::detection
