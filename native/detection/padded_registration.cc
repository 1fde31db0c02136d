// The two kinds of selection as operators of the namespace torchdet, the padded and the ordinary
// with the same arguments and results, so that tests can compare them on any device.
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "fcos.h"
#include "padded_selection.h"
#include "retinanet.h"
#include "roi_heads.h"
#include "rpn.h"
#include "ssd.h"
#include "stage_parts.h"

namespace torchdet::detection {
namespace {

std::vector<ImageSize> sizes_from(at::IntArrayRef heights, at::IntArrayRef widths) {
  TORCH_CHECK(heights.size() == widths.size(), "as many heights as widths");
  std::vector<ImageSize> sizes;
  for (size_t i = 0; i < heights.size(); ++i) sizes.push_back({heights[i], widths[i]});
  return sizes;
}

std::vector<std::vector<at::Tensor>> lists_of(std::vector<Detections> found) {
  std::vector<std::vector<at::Tensor>> lists(3);
  for (Detections& image : found) {
    lists[0].push_back(std::move(image.boxes));
    lists[1].push_back(std::move(image.labels));
    lists[2].push_back(std::move(image.scores));
  }
  return lists;
}

// Boxes and scores of each image.
std::vector<std::vector<at::Tensor>> proposals(const at::Tensor& objectness,
                                               const at::Tensor& deltas, const at::Tensor& anchors,
                                               at::IntArrayRef level_anchors,
                                               at::IntArrayRef heights, at::IntArrayRef widths,
                                               double nms_thresh, double score_thresh,
                                               int64_t pre_nms_top_n, int64_t post_nms_top_n,
                                               bool padded) {
  const FlatHeads heads = {objectness, deltas, level_anchors.vec()};
  const std::vector<ImageSize> sizes = sizes_from(heights, widths);
  RpnConfig config;
  config.nms_thresh = nms_thresh;
  config.score_thresh = score_thresh;
  const ProposalLimits limits = {pre_nms_top_n, post_nms_top_n};
  if (!padded) {
    Proposals found = select_proposals(heads, anchors, sizes, config, limits);
    return {std::move(found.boxes), std::move(found.scores)};
  }
  const PaddedProposals found = select_padded_proposals(heads, anchors, sizes, config, limits);
  std::vector<std::vector<at::Tensor>> lists(2);
  for (const Detections& image : fetch({found.list, found.finite}).on_host) {
    lists[0].push_back(image.boxes);
    lists[1].push_back(image.scores);
  }
  return lists;
}

// Boxes, labels and scores of each image, for one list of proposals an image.
std::vector<std::vector<at::Tensor>> detections(const at::Tensor& class_logits,
                                                const at::Tensor& box_regression,
                                                at::TensorList boxes, at::IntArrayRef heights,
                                                at::IntArrayRef widths, double nms_thresh,
                                                double score_thresh, int64_t detections_per_img,
                                                double score_threshold, bool padded) {
  const std::vector<ImageSize> sizes = sizes_from(heights, widths);
  RoiHeadsConfig config;
  config.nms_thresh = nms_thresh;
  config.score_thresh = score_thresh;
  config.detections_per_img = detections_per_img;
  config.bbox_reg_weights = {10, 10, 5, 5};
  std::vector<Detections> found;
  if (padded) {
    // Lists of different lengths get rows behind them, whose numbers must not matter.
    int64_t rows = 0;
    for (const at::Tensor& list : boxes) rows = std::max(rows, list.size(0));
    std::vector<at::Tensor> padded_boxes, padded_logits, padded_regression, counts;
    int64_t offset = 0;
    for (const at::Tensor& list : boxes) {
      const int64_t count = list.size(0);
      const auto fill = [&](const at::Tensor& tensor) {
        return at::cat({tensor, at::full({rows - count, tensor.size(1)}, 9.0, tensor.options())});
      };
      padded_boxes.push_back(fill(list));
      padded_logits.push_back(fill(class_logits.narrow(0, offset, count)));
      padded_regression.push_back(fill(box_regression.narrow(0, offset, count)));
      counts.push_back(at::full({1}, count, list.options().dtype(at::kLong)));
      offset += count;
    }
    const auto images = static_cast<int64_t>(boxes.size());
    const at::Tensor joined = at::cat(padded_boxes).view({images, rows, 4});
    const PaddedList list = {joined, at::zeros({images, rows}, at::kLong), joined.select(2, 0),
                             at::cat(counts)};
    found =
        fetch(select_padded_detections(at::cat(padded_logits), at::cat(padded_regression),
                                       {list, all_finite(joined)}, sizes, config, score_threshold))
            .on_host;
  } else {
    found = select_detections(class_logits, box_regression, boxes.vec(), sizes, config);
    for (Detections& image : found) drop_below(score_threshold, image);
  }
  return lists_of(std::move(found));
}

// Boxes, labels and scores of each image, by the rule of a head: retinanet, fcos, fcosOriginal or
// ssd.
std::vector<std::vector<at::Tensor>> dense_detections(
    std::string_view head, const at::Tensor& cls_logits, const at::Tensor& bbox_regression,
    const std::optional<at::Tensor>& bbox_ctrness, const at::Tensor& references,
    at::IntArrayRef level_places, at::IntArrayRef heights, at::IntArrayRef widths,
    double nms_thresh, double score_thresh, int64_t topk_candidates, int64_t detections_per_img,
    double score_threshold, bool padded) {
  DenseConfig config;
  config.nms_thresh = nms_thresh;
  config.score_thresh = score_thresh;
  config.topk_candidates = topk_candidates;
  config.detections_per_img = detections_per_img;
  const DenseOutputs outputs = {cls_logits, bbox_regression,
                                bbox_ctrness ? *bbox_ctrness : at::Tensor()};
  const DensePlaces places = {references, level_places.vec()};
  const std::vector<ImageSize> sizes = sizes_from(heights, widths);
  const bool ssd = head == "ssd";
  const LevelRule rule = head == "retinanet" ? retinanet_rule(config)
                         : head == "fcos"    ? fcos_rule(config)
                                             : fcos_original_rule(config);
  std::vector<Detections> found;
  if (padded) {
    found =
        fetch(ssd ? select_padded_ssd(outputs, places, sizes, config, score_threshold)
                  : select_padded_by_level(outputs, places, sizes, config, rule, score_threshold))
            .on_host;
  } else {
    found = ssd ? select_ssd(outputs, places, sizes, config)
                : select_by_level(outputs, places, sizes, config, rule);
    for (Detections& image : found) drop_below(score_threshold, image);
  }
  return lists_of(std::move(found));
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  m.def(
      "select_proposals(Tensor objectness, Tensor deltas, Tensor anchors, int[] level_anchors, "
      "int[] heights, int[] widths, float nms_thresh, float score_thresh, int pre_nms_top_n, int "
      "post_nms_top_n, bool padded) -> Tensor[][]",
      TORCH_FN(proposals));
  m.def(
      "select_detections(Tensor class_logits, Tensor box_regression, Tensor[] boxes, int[] "
      "heights, int[] widths, float nms_thresh, float score_thresh, int detections_per_img, float "
      "score_threshold, bool padded) -> Tensor[][]",
      TORCH_FN(detections));
  m.def(
      "select_dense(str head, Tensor cls_logits, Tensor bbox_regression, Tensor? bbox_ctrness, "
      "Tensor references, int[] level_places, int[] heights, int[] widths, float nms_thresh, float "
      "score_thresh, int topk_candidates, int detections_per_img, float score_threshold, bool "
      "padded) -> Tensor[][]",
      TORCH_FN(dense_detections));
}

}  // namespace torchdet::detection
