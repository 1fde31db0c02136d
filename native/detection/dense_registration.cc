// Registers the losses of the one-stage families as operators of the namespace torchdet, as
// registration.cc does the other pieces.
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "dense_losses.h"
#include "focal_loss.h"

namespace torchdet::detection {
namespace {

DenseHead head_named(std::string_view name) {
  if (name == "retinanet") return DenseHead::kRetinaNet;
  if (name == "fcos") return DenseHead::kFcos;
  if (name == "fcosOriginal") return DenseHead::kFcosOriginal;
  TORCH_CHECK(name == "ssd", "heads are retinanet, fcos, fcosOriginal and ssd, not ", name);
  return DenseHead::kSsd;
}

std::vector<Target> targets_of(const std::vector<at::Tensor>& boxes,
                               const std::vector<at::Tensor>& labels,
                               const std::vector<std::vector<int64_t>>& labelled_classes) {
  TORCH_CHECK(labels.size() == boxes.size() &&
                  (labelled_classes.empty() || labelled_classes.size() == boxes.size()),
              "boxes, labels and, where there are any, labelled classes must be of as many images");
  std::vector<Target> targets(boxes.size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    targets[i].boxes = boxes[i];
    targets[i].labels = labels[i];
    if (!labelled_classes.empty()) targets[i].labelled_classes = labelled_classes[i];
  }
  return targets;
}

// The losses in their order as one tensor. `labelled_classes`: per image, or none at all.
at::Tensor stacked_losses(std::string_view head, const at::Tensor& cls_logits,
                          const at::Tensor& bbox_regression,
                          const std::optional<at::Tensor>& bbox_ctrness,
                          const at::Tensor& references, std::vector<int64_t> level_places,
                          std::vector<at::Tensor> boxes, std::vector<at::Tensor> labels,
                          std::vector<std::vector<int64_t>> labelled_classes,
                          std::vector<double> bbox_reg_weights, double fg_iou_thresh,
                          double bg_iou_thresh, bool giou, double center_sampling_radius,
                          double positive_fraction) {
  TORCH_CHECK(bbox_reg_weights.size() == 4, "a box coder has 4 weights, got ",
              bbox_reg_weights.size());
  DenseConfig config;
  config.head = head_named(head);
  std::copy_n(bbox_reg_weights.begin(), 4, config.bbox_reg_weights.begin());
  config.training = {fg_iou_thresh, bg_iou_thresh, giou ? BoxLoss::kGiou : BoxLoss::kL1,
                     center_sampling_radius, positive_fraction};
  const DenseOutputs outputs = {cls_logits, bbox_regression,
                                bbox_ctrness ? *bbox_ctrness : at::Tensor()};
  const DensePlaces places = {references, std::move(level_places)};
  const bool fcos = config.head == DenseHead::kFcos || config.head == DenseHead::kFcosOriginal;
  check_output_shapes(outputs, places, boxes.size(), fcos);
  std::vector<at::Tensor> losses;
  for (const auto& [name, loss] :
       dense_losses(outputs, places, targets_of(boxes, labels, labelled_classes), config))
    losses.push_back(loss);
  return at::stack(losses);
}

at::Tensor focal_sums(const at::Tensor& logits, const at::Tensor& labels,
                      const std::optional<at::Tensor>& counted) {
  return focal_loss_sums(logits, labels, counted ? *counted : at::Tensor());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  m.def("focal_loss_sums(Tensor logits, Tensor labels, Tensor? counted=None) -> Tensor",
        TORCH_FN(focal_sums));
  m.def(
      "dense_losses(str head, Tensor cls_logits, Tensor bbox_regression, Tensor? bbox_ctrness, "
      "Tensor references, int[] level_places, Tensor[] boxes, Tensor[] labels, int[][] "
      "labelled_classes, float[] bbox_reg_weights, float fg_iou_thresh, float bg_iou_thresh, bool "
      "giou, float center_sampling_radius, float positive_fraction) -> Tensor",
      TORCH_FN(stacked_losses));
}

}  // namespace torchdet::detection
