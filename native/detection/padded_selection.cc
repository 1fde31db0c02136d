#include "padded_selection.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>

#include "../ops/operators.h"
#include "box_coder.h"

namespace torchdet::detection {
namespace {

constexpr double kMinProposalSide = 1e-3;
constexpr double kMinDetectionSide = 1e-2;
constexpr double kNothing = -std::numeric_limits<double>::infinity();

at::Tensor all_finite(const at::Tensor& tensor) { return at::isfinite(at::sum(tensor)); }

// Best first; equal scores in the order in which they stand.
std::pair<at::Tensor, at::Tensor> best_first(const at::Tensor& scores) {
  auto [values, order] = at::sort(scores, /*stable=*/true, /*dim=*/-1, /*descending=*/true);
  return {values, order};
}

// Rows of `values` (... x K x 4) by `order` (... x L).
at::Tensor gather_boxes(const at::Tensor& values, const at::Tensor& order) {
  std::vector<int64_t> shape = order.sizes().vec();
  shape.push_back(4);
  return at::gather(values, -2, order.unsqueeze(-1).expand(shape));
}

// Each image's boxes (rows x 4, in N x ... x 4) clipped to its size.
at::Tensor clip_by_image(const at::Tensor& boxes, const std::vector<ImageSize>& image_sizes) {
  std::vector<at::Tensor> clipped;
  for (size_t image = 0; image < image_sizes.size(); ++image) {
    const at::Tensor own = boxes[static_cast<int64_t>(image)];
    clipped.push_back(clip_boxes(own.reshape({-1, 4}), image_sizes[image]).view(own.sizes()));
  }
  return at::stack(clipped);
}

// sides >= min_side of boxes (... x 4)
at::Tensor large(const at::Tensor& boxes, double min_side) {
  return large_enough(boxes.reshape({-1, 4}), min_side)
      .view(boxes.sizes().slice(0, boxes.dim() - 1));
}

// How far apart the groups of an image's boxes are moved (N): one more than the largest coordinate
// of those that count.
at::Tensor group_distance(const at::Tensor& boxes, const at::Tensor& valid) {
  return at::where(valid.unsqueeze(-1), boxes, kNothing).flatten(1).amax(1).add_(1);
}

// Positions of the first `size` marked places of each row (N x size), and how many there are (N).
std::pair<at::Tensor, at::Tensor> first_marked(const at::Tensor& marks, int64_t size) {
  const at::Tensor rank = at::cumsum(marks, 1) - 1;
  const at::Tensor place = at::where(marks.logical_and(rank.lt(size)), rank, size);
  const at::Tensor positions = at::arange(marks.size(1), rank.options()).expand(marks.sizes());
  // Everything that is not wanted goes to one place too many.
  at::Tensor chosen = at::zeros({marks.size(0), size + 1}, rank.options());
  chosen.scatter_(1, place, positions);
  return {chosen.narrow(1, 0, size), marks.sum(1).clamp_max_(size)};
}

// True for the first `counts` of `size` places: N x size.
at::Tensor in_front(const at::Tensor& counts, int64_t size) {
  return at::arange(size, counts.options()).unsqueeze(0).lt(counts.unsqueeze(1));
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
  const at::Tensor objectness = heads.objectness.view({images, per_image});
  std::vector<at::Tensor> best_of_levels, level_of;
  int64_t offset = 0;
  for (size_t level = 0; level < heads.level_anchors.size(); ++level) {
    const int64_t count = heads.level_anchors[level];
    const int64_t taken = std::min(limits.pre_nms_top_n, count);
    best_of_levels.push_back(
        std::get<1>(at::topk(objectness.narrow(1, offset, count), taken, /*dim=*/1)).add_(offset));
    level_of.push_back(at::full({taken}, static_cast<double>(level), heads.deltas.options()));
    offset += count;
  }
  const at::Tensor best = at::cat(best_of_levels, /*dim=*/1);
  const at::Tensor scores = at::sigmoid(at::gather(objectness, 1, best));
  const at::Tensor decoded =
      BoxCoder({1, 1, 1, 1})
          .decode(gather_boxes(heads.deltas.view({images, per_image, 4}), best).view({-1, 4}),
                  anchors.index_select(0, best.flatten()))
          .view({images, -1, 4});
  const at::Tensor boxes = clip_by_image(decoded, image_sizes);
  const at::Tensor valid =
      large(boxes, kMinProposalSide).logical_and_(scores.ge(config.score_thresh));

  // batched_nms: levels are moved apart and then treated as one list.
  const at::Tensor shift =
      group_distance(boxes, valid).unsqueeze(1) * at::cat(level_of).unsqueeze(0);
  const auto [ranked, order] = best_first(at::where(valid, scores, kNothing));
  const at::Tensor kept = ops::suppress_segments(gather_boxes(boxes.add(shift.unsqueeze(2)), order),
                                                 valid.sum(1), config.nms_thresh);
  const int64_t size = std::min(limits.post_nms_top_n, boxes.size(1));
  const auto [positions, counts] = first_marked(kept, size);
  const at::Tensor absent = in_front(counts, size).logical_not_();
  return {gather_boxes(boxes, at::gather(order, 1, positions)).masked_fill_(absent.unsqueeze(2), 0),
          at::gather(ranked, 1, positions).masked_fill_(absent, 0), counts,
          all_finite(heads.objectness).logical_and_(all_finite(heads.deltas))};
}

PaddedDetections select_padded_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const PaddedProposals& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config, double score_threshold) {
  const int64_t images = proposals.boxes.size(0);
  const int64_t rows = proposals.boxes.size(1);
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
  const at::Tensor decoded = BoxCoder(config.bbox_reg_weights)
                                 .decode(box_regression, proposals.boxes.view({-1, 4}))
                                 .view({images, rows, objects + 1, 4})
                                 .narrow(2, 1, objects);
  const at::Tensor boxes = clip_by_image(decoded, image_sizes);
  const at::Tensor valid = large(boxes, kMinDetectionSide)
                               .logical_and_(scores.gt(config.score_thresh))
                               .logical_and_(in_front(proposals.counts, rows).unsqueeze(2));

  // batched_nms: classes are moved apart, and since they then do not overlap, each is a segment.
  const at::Tensor labels = at::arange(1, objects + 1, boxes.options());
  const at::Tensor shift = group_distance(boxes, valid).unsqueeze(1) * labels.unsqueeze(0);
  const auto by_class = [&](const at::Tensor& tensor) {
    return tensor.transpose(1, 2).reshape(tensor.dim() == 4
                                              ? at::IntArrayRef{images * objects, rows, 4}
                                              : at::IntArrayRef{images * objects, rows});
  };
  const at::Tensor order = best_first(by_class(at::where(valid, scores, kNothing))).second;
  const at::Tensor moved = by_class(boxes.add(shift.view({images, 1, objects, 1})));
  const at::Tensor kept_in_order =
      ops::suppress_segments(gather_boxes(moved, order), by_class(valid).sum(1), config.nms_thresh);
  const at::Tensor kept = at::zeros(kept_in_order.sizes(), kept_in_order.options())
                              .scatter_(1, order, kept_in_order)
                              .view({images, objects, rows})
                              .transpose(1, 2)
                              .reshape({images, -1});

  const at::Tensor flat_scores = scores.reshape({images, -1});
  const auto [ranked, all] = best_first(at::where(kept, flat_scores, kNothing));
  const int64_t size = std::min(config.detections_per_img, rows * objects);
  const at::Tensor best = all.narrow(1, 0, size);
  const at::Tensor best_scores = ranked.narrow(1, 0, size);
  const at::Tensor counts =
      best_scores.ge(score_threshold).logical_and_(best_scores.gt(kNothing)).sum(1);
  const at::Tensor absent = in_front(counts, size).logical_not_();
  return {gather_boxes(boxes.reshape({images, -1, 4}), best).masked_fill_(absent.unsqueeze(2), 0),
          best.remainder(objects).add_(1).masked_fill_(absent, 0),
          best_scores.masked_fill(absent, 0), counts,
          all_finite(class_logits)
              .logical_and_(all_finite(box_regression))
              .logical_and_(proposals.finite)};
}

FetchedDetections fetch(const PaddedDetections& detections) {
  const int64_t images = detections.boxes.size(0);
  const int64_t size = detections.boxes.size(1);
  // Labels and counts are small enough for float32.
  const auto real = [&](const at::Tensor& tensor) {
    return tensor.to(at::kFloat).reshape({images, -1});
  };
  const at::Tensor packed =
      at::cat({detections.boxes.to(at::kFloat).reshape({images, -1}), real(detections.labels),
               real(detections.scores), real(detections.counts),
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
    device.boxes = detections.boxes[image].narrow(0, 0, count);
    device.labels = detections.labels[image].narrow(0, 0, count);
    device.scores = detections.scores[image].narrow(0, 0, count);
    fetched.on_host.push_back(std::move(host));
    fetched.on_device.push_back(std::move(device));
  }
  return fetched;
}

}  // namespace torchdet::detection
