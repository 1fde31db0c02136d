#include "rpn_losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "box_coder.h"
#include "matcher.h"
#include "sampler.h"

namespace torchdet::detection {
namespace {

constexpr double kBeta = 1.0 / 9;

// S: 1 an object, 0 background, -1 neither.
at::Tensor label_anchors(const at::Tensor& matches, const at::Tensor& logits,
                         const Target& target) {
  static_assert(kBelowLowThreshold == -1 && kBetweenThresholds == -2);
  at::Tensor labels = matches.clamp(-2, 0).add_(1);
  if (!target.labelled_classes) return labels;
  at::Tensor unsure = labels.eq(0);
  if (!target.labelled_classes->empty()) unsure.logical_and_(logits.gt(0));
  return labels.masked_fill_(unsure, -1);
}

}  // namespace

at::Tensor AnchorSamples::rows() const { return at::cat({positive, negative}); }

AnchorSamples sample_anchors(const at::Tensor& objectness, const at::Tensor& anchors,
                             const std::vector<Target>& targets, const RpnConfig& config,
                             const at::Generator& generator) {
  const MatchRule match_rule{config.fg_iou_thresh, config.bg_iou_thresh, LowQuality::kRestoreTies};
  const SamplerRule sampler_rule{config.batch_size_per_image, config.positive_fraction};
  const BoxCoder coder({1, 1, 1, 1});
  const int64_t per_image = anchors.size(0);
  TORCH_CHECK(objectness.size(0) == static_cast<int64_t>(targets.size()) * per_image,
              "the RPN head gives ", objectness.size(0), " logits for ", targets.size(),
              " images of ", per_image, " anchors each");
  std::vector<at::Tensor> positive;
  std::vector<at::Tensor> negative;
  std::vector<at::Tensor> deltas;
  // Labels of the whole batch come before its first draw, as in torchvision; the order of draws is
  // the same either way.
  for (size_t i = 0; i < targets.size(); ++i) {
    const int64_t offset = static_cast<int64_t>(i) * per_image;
    const at::Tensor matches = match_boxes(targets[i].boxes, anchors, match_rule);
    const at::Tensor labels =
        label_anchors(matches, objectness.narrow(0, offset, per_image), targets[i]);
    const Sample sample = sample_balanced(labels, sampler_rule, generator);
    positive.push_back(sample.positive + offset);
    negative.push_back(sample.negative + offset);
    const at::Tensor boxes =
        targets[i].boxes.index_select(0, matches.index_select(0, sample.positive));
    deltas.push_back(coder.encode(boxes, anchors.index_select(0, sample.positive)));
  }
  return {at::cat(positive), at::cat(negative), at::cat(deltas)};
}

RpnLosses rpn_losses(const at::Tensor& objectness, const at::Tensor& deltas,
                     const AnchorSamples& samples) {
  const int64_t positives = samples.positive.size(0);
  // 0 only where images mark no class at all and have no box.
  const auto sampled = static_cast<double>(std::max<int64_t>(1, objectness.size(0)));
  at::Tensor wanted;
  {
    const at::NoGradGuard no_gradients;
    wanted = at::zeros(objectness.sizes(), objectness.options());
    wanted.narrow(0, 0, positives).fill_(1);
  }
  const at::Tensor entropy =
      at::binary_cross_entropy_with_logits(objectness, wanted, {}, {}, at::Reduction::Sum);
  const at::Tensor distance =
      at::smooth_l1_loss(deltas.narrow(0, 0, positives), samples.deltas, at::Reduction::Sum, kBeta);
  return {entropy / sampled, distance / sampled};
}

}  // namespace torchdet::detection
