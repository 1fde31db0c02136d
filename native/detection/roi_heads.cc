#include "roi_heads.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/softmax.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "../ops/operators.h"
#include "box_coder.h"
#include "checks.h"

namespace torchdet::detection {
namespace {

constexpr double kMinSide = 1e-2;

void check_outputs(const at::Tensor& class_logits, const at::Tensor& box_regression,
                   const std::vector<at::Tensor>& proposals) {
  int64_t total = 0;
  for (const at::Tensor& boxes : proposals) total += boxes.size(0);
  TORCH_CHECK(class_logits.dim() == 2 && class_logits.size(0) == total &&
                  box_regression.dim() == 2 && box_regression.size(0) == total &&
                  box_regression.size(1) == 4 * class_logits.size(1),
              "the box head's outputs do not fit ", total, " proposals: class logits ",
              class_logits.sizes(), ", box regression ", box_regression.sizes(),
              "; wanted are R x C and R x 4C");
  check_finite(class_logits, "class logits");
  check_finite(box_regression, "box regression");
}

// One image: scores n x C, deltas n x C x 4, proposals n x 4. Only candidates above the score
// threshold are decoded.
Detections select_in_image(const at::Tensor& scores, const at::Tensor& deltas,
                           const at::Tensor& proposals, const ImageSize& size,
                           const RoiHeadsConfig& config) {
  const at::Tensor candidates =
      at::nonzero(scores.narrow(1, 1, scores.size(1) - 1).gt(config.score_thresh));
  const at::Tensor rois = candidates.select(1, 0);
  const at::Tensor labels = candidates.select(1, 1) + 1;
  const at::Tensor flat = rois * scores.size(1) + labels;
  const at::Tensor boxes = clip_boxes(
      BoxCoder(config.bbox_reg_weights)
          .decode(deltas.view({-1, 4}).index_select(0, flat), proposals.index_select(0, rois)),
      size);
  const at::Tensor keep = at::nonzero(large_enough(boxes, kMinSide)).squeeze(1);
  const at::Tensor kept_boxes = boxes.index_select(0, keep);
  const at::Tensor kept_labels = labels.index_select(0, keep);
  const at::Tensor kept_scores = scores.reshape({-1}).index_select(0, flat.index_select(0, keep));
  const at::Tensor survivors =
      ops::batched_nms(kept_boxes, kept_scores, kept_labels, config.nms_thresh);
  const at::Tensor best =
      survivors.narrow(0, 0, std::min(config.detections_per_img, survivors.size(0)));
  Detections detections;
  detections.boxes = kept_boxes.index_select(0, best);
  detections.labels = kept_labels.index_select(0, best);
  detections.scores = kept_scores.index_select(0, best);
  return detections;
}

}  // namespace

std::vector<Detections> select_detections(const at::Tensor& class_logits,
                                          const at::Tensor& box_regression,
                                          const std::vector<at::Tensor>& proposals,
                                          const std::vector<ImageSize>& image_sizes,
                                          const RoiHeadsConfig& config) {
  TORCH_CHECK(proposals.size() == image_sizes.size(), "got proposals for ", proposals.size(),
              " images and sizes of ", image_sizes.size());
  check_outputs(class_logits, box_regression, proposals);
  const at::Tensor scores = at::softmax(class_logits, -1);
  const at::Tensor deltas = box_regression.reshape({scores.size(0), scores.size(1), 4});
  std::vector<Detections> detections;
  int64_t offset = 0;
  for (size_t image = 0; image < proposals.size(); ++image) {
    const int64_t count = proposals[image].size(0);
    detections.push_back(select_in_image(scores.narrow(0, offset, count),
                                         deltas.narrow(0, offset, count), proposals[image],
                                         image_sizes[image], config));
    offset += count;
  }
  return detections;
}

}  // namespace torchdet::detection
