#include "ssd.h"

#include <ATen/ops/div.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/softmax.h>

#include "box_coder.h"
#include "class_selection.h"
#include "serial_scope.h"

namespace torchdet::detection {
namespace {

// One image: scores S x C and deltas S x 4.
Detections select_in_image(const at::Tensor& scores, const at::Tensor& deltas,
                           const at::Tensor& default_boxes, const ImageSize& size,
                           const DenseConfig& config) {
  const BoxCoder coder(config.bbox_reg_weights);
  if (scores.is_cpu() && scores.scalar_type() == at::kFloat) {
    const Candidates best =
        best_of_classes(scores.contiguous(), config.score_thresh, config.topk_candidates);
    // A place may be a candidate of many classes: each is decoded once.
    const at::Tensor boxes = clip_boxes(coder.decode(deltas, default_boxes), size);
    return suppress_by_class(best, boxes.index_select(0, best.places), config);
  }
  const int64_t places = scores.size(0);
  const int64_t objects = scores.size(1) - 1;
  // Class by class, so that candidates come in the order in which torchvision goes through them.
  const at::Tensor by_class = scores.narrow(1, 1, objects).t().reshape({-1});
  Candidates found;
  const at::Tensor flat = at::nonzero(by_class.gt(config.score_thresh)).squeeze(1);
  found.scores = by_class.index_select(0, flat);
  found.places = at::remainder(flat, places);
  found.labels = at::div(flat, places, "floor").add_(1);
  found.group_sizes = group_sizes(flat, std::vector<int64_t>(objects, places));
  found = best_of_groups(found, config.topk_candidates);
  const at::Tensor boxes = coder.decode(deltas.index_select(0, found.places),
                                        default_boxes.index_select(0, found.places));
  return suppress(found, clip_boxes(boxes, size), config);
}

}  // namespace

std::vector<Detections> select_ssd(const DenseOutputs& outputs, const DensePlaces& default_boxes,
                                   const std::vector<ImageSize>& image_sizes,
                                   const DenseConfig& config) {
  const at::Tensor scores = at::softmax(outputs.cls_logits, -1);
  const SerialScope serial;
  std::vector<Detections> detections;
  for (size_t i = 0; i < image_sizes.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    detections.push_back(select_in_image(scores[image], outputs.bbox_regression[image],
                                         default_boxes.references, image_sizes[i], config));
  }
  return detections;
}

}  // namespace torchdet::detection
