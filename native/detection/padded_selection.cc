#include "padded_selection.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/topk.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "box_coder.h"

namespace torchdet::detection {
namespace {

constexpr double kMinProposalSide = 1e-3;
constexpr double kMinDetectionSide = 1e-2;

// Values and positions of the best of each level: N x (sum of what is taken of each). The levels
// lie one after the other along dimension 1.
std::pair<at::Tensor, at::Tensor> best_of_levels(const at::Tensor& scores,
                                                 const std::vector<int64_t>& lengths,
                                                 int64_t top_n) {
  std::vector<at::Tensor> values, positions;
  int64_t offset = 0;
  for (const int64_t length : lengths) {
    auto [best, where] =
        at::topk(scores.narrow(1, offset, length), std::min(top_n, length), /*dim=*/1);
    values.push_back(best);
    positions.push_back(where.add_(offset));
    offset += length;
  }
  return {at::cat(values, 1), at::cat(positions, 1)};
}

}  // namespace

PaddedProposals select_padded_proposals(const FlatHeads& heads, const at::Tensor& anchors,
                                        const std::vector<ImageSize>& image_sizes,
                                        const RpnConfig& config, const ProposalLimits& limits) {
  const auto images = static_cast<int64_t>(image_sizes.size());
  const int64_t per_image = anchors.size(0);
  TORCH_CHECK(heads.objectness.size(0) == images * per_image, "the RPN head gives ",
              heads.objectness.size(0), " logits for ", images, " images of ", per_image,
              " anchors each");
  const auto [logits, best] = best_of_levels(heads.objectness.view({images, per_image}),
                                             heads.level_anchors, limits.pre_nms_top_n);
  const at::Tensor decoded =
      BoxCoder({1, 1, 1, 1})
          .decode(gather_rows(heads.deltas.view({images, per_image, 4}), best).view({-1, 4}),
                  anchors.index_select(0, best.flatten()))
          .view({images, -1, 4});
  const at::Tensor boxes = clip_by_image(decoded, image_sizes);
  const at::Tensor scores = at::sigmoid(logits);
  const at::Tensor valid =
      large_sides(boxes, kMinProposalSide).logical_and_(scores.ge(config.score_thresh));

  std::vector<at::Tensor> level_of;
  for (size_t level = 0; level < heads.level_anchors.size(); ++level) {
    const int64_t taken = std::min(limits.pre_nms_top_n, heads.level_anchors[level]);
    level_of.push_back(at::full({images, taken}, static_cast<int64_t>(level), best.options()));
  }
  const at::Tensor levels = at::cat(level_of, 1);
  // batched_nms: levels are moved apart and then are one list.
  const at::Tensor kept = keep_in_segments(move_apart(boxes, valid, levels),
                                           only_where(valid, scores), config.nms_thresh);
  return {best_of(boxes, levels, only_where(kept, scores), limits.post_nms_top_n, 0),
          all_finite(heads.objectness).logical_and_(all_finite(heads.deltas))};
}

PaddedDetections select_padded_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const PaddedProposals& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config, double score_threshold) {
  const at::Tensor& rois = proposals.list.boxes;
  const int64_t images = rois.size(0);
  const int64_t rows = rois.size(1);
  TORCH_CHECK(class_logits.dim() == 2 && class_logits.size(0) == images * rows &&
                  class_logits.size(1) > 1 && box_regression.dim() == 2 &&
                  box_regression.size(0) == images * rows &&
                  box_regression.size(1) == 4 * class_logits.size(1),
              "the box head's outputs do not fit ", images * rows, " proposals: class logits ",
              class_logits.sizes(), ", box regression ", box_regression.sizes(),
              "; wanted are R x C and R x 4C");
  const int64_t objects = class_logits.size(1) - 1;
  // N x P x objects, without the background
  const at::Tensor scores =
      at::softmax(class_logits, -1).view({images, rows, objects + 1}).narrow(2, 1, objects);
  const at::Tensor boxes = clip_by_image(BoxCoder(config.bbox_reg_weights)
                                             .decode(box_regression, rois.view({-1, 4}))
                                             .view({images, rows, objects + 1, 4})
                                             .narrow(2, 1, objects),
                                         image_sizes);
  const at::Tensor valid = large_sides(boxes, kMinDetectionSide)
                               .logical_and_(scores.gt(config.score_thresh))
                               .logical_and_(in_front(proposals.list.counts, rows).unsqueeze(2));
  const at::Tensor labels =
      at::arange(1, objects + 1, proposals.list.counts.options()).expand({images, rows, objects});

  // batched_nms: classes are moved apart, and since they then do not overlap, each is a segment.
  const at::Tensor kept =
      keep_in_segments(move_apart(boxes, valid, labels).transpose(1, 2).reshape({-1, rows, 4}),
                       only_where(valid, scores).transpose(1, 2).reshape({-1, rows}),
                       config.nms_thresh)
          .view({images, objects, rows})
          .transpose(1, 2);
  return {best_of(boxes.reshape({images, -1, 4}), labels.reshape({images, -1}),
                  only_where(kept, scores).reshape({images, -1}), config.detections_per_img,
                  score_threshold),
          all_finite(class_logits)
              .logical_and_(all_finite(box_regression))
              .logical_and_(proposals.finite)};
}

PaddedDetections select_padded_by_level(const DenseOutputs& outputs, const DensePlaces& places,
                                        const std::vector<ImageSize>& image_sizes,
                                        const DenseConfig& config, const LevelRule& rule,
                                        double score_threshold) {
  const at::Tensor& logits = outputs.cls_logits;
  const int64_t images = logits.size(0);
  const int64_t classes = logits.size(2);
  const LevelScores scored = rule.score(at::sigmoid(logits), outputs.bbox_ctrness);
  std::vector<int64_t> level_logits = places.level_places;
  for (int64_t& count : level_logits) count *= classes;
  const auto [scores, flat] = best_of_levels(
      only_where(scored.compared.gt(config.score_thresh), scored.scores).reshape({images, -1}),
      level_logits, config.topk_candidates);
  const at::Tensor place = flat.floor_divide(classes);
  const at::Tensor labels = flat.remainder(classes).add_(rule.first_label);
  const at::Tensor decoded = rule.decode(gather_rows(outputs.bbox_regression, place).view({-1, 4}),
                                         places.references.index_select(0, place.flatten()))
                                 .view({images, -1, 4});
  const at::Tensor boxes = clip_by_image(decoded, image_sizes);
  const at::Tensor kept =
      keep_in_segments(move_apart(boxes, is_score(scores), labels), scores, config.nms_thresh);
  at::Tensor finite = all_finite(logits).logical_and_(all_finite(outputs.bbox_regression));
  if (outputs.bbox_ctrness.defined()) finite = finite.logical_and(all_finite(outputs.bbox_ctrness));
  return {
      best_of(boxes, labels, only_where(kept, scores), config.detections_per_img, score_threshold),
      finite};
}

PaddedDetections select_padded_ssd(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                                   const std::vector<ImageSize>& image_sizes,
                                   const DenseConfig& config, double score_threshold) {
  const int64_t images = outputs.cls_logits.size(0);
  const int64_t places = outputs.cls_logits.size(1);
  const int64_t objects = outputs.cls_logits.size(2) - 1;
  const int64_t taken = std::min(config.topk_candidates, places);
  // N x objects x S: class by class
  const at::Tensor by_class =
      at::softmax(outputs.cls_logits, -1).narrow(2, 1, objects).transpose(1, 2);
  const auto [scores, place] =
      at::topk(only_where(by_class.gt(config.score_thresh), by_class), taken, /*dim=*/2);
  const at::Tensor flat = place.reshape({images, -1});
  const at::Tensor boxes =
      clip_by_image(BoxCoder(config.bbox_reg_weights)
                        .decode(gather_rows(outputs.bbox_regression, flat).view({-1, 4}),
                                default_boxes.references.index_select(0, flat.flatten()))
                        .view({images, objects, taken, 4}),
                    image_sizes);
  const at::Tensor labels = at::arange(1, objects + 1, place.options())
                                .view({1, objects, 1})
                                .expand({images, objects, taken});
  const at::Tensor kept =
      keep_in_segments(move_apart(boxes, is_score(scores), labels).view({-1, taken, 4}),
                       scores.reshape({-1, taken}), config.nms_thresh)
          .view({images, objects, taken});
  return {best_of(boxes.view({images, -1, 4}), labels.reshape({images, -1}),
                  only_where(kept, scores).view({images, -1}), config.detections_per_img,
                  score_threshold),
          all_finite(outputs.cls_logits).logical_and_(all_finite(outputs.bbox_regression))};
}

FetchedDetections fetch(const PaddedDetections& detections) {
  const PaddedList& list = detections.list;
  const int64_t images = list.boxes.size(0);
  const int64_t size = list.boxes.size(1);
  // Labels and counts are small enough for float32.
  const auto real = [&](const at::Tensor& tensor) {
    return tensor.to(at::kFloat).reshape({images, -1});
  };
  const at::Tensor packed =
      at::cat({real(list.boxes), real(list.labels), real(list.scores), real(list.counts),
               detections.finite.to(at::kFloat).view({1, 1}).expand({images, 1})},
              /*dim=*/1)
          .cpu();
  FetchedDetections fetched;
  fetched.finite = true;
  for (int64_t image = 0; image < images; ++image) {
    const at::Tensor row = packed[image];
    const float* numbers = row.const_data_ptr<float>();
    const auto count = static_cast<int64_t>(numbers[size * 6]);
    fetched.finite = fetched.finite && numbers[size * 6 + 1] != 0;
    Detections host, device;
    host.boxes = row.narrow(0, 0, size * 4).view({size, 4}).narrow(0, 0, count);
    host.labels = row.narrow(0, size * 4, count).to(at::kLong);
    host.scores = row.narrow(0, size * 5, count);
    device.boxes = list.boxes[image].narrow(0, 0, count);
    device.labels = list.labels[image].narrow(0, 0, count);
    device.scores = list.scores[image].narrow(0, 0, count);
    fetched.on_host.push_back(std::move(host));
    fetched.on_device.push_back(std::move(device));
  }
  return fetched;
}

}  // namespace torchdet::detection
