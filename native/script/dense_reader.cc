#include "dense_reader.h"

#include "reader_parts.h"

namespace torchdet::script {
namespace {

using detection::DenseConfig;
using detection::DenseHead;
using torch::jit::Module;
using torch::jit::Object;

// torchvision's defaults, for the losses of the families that the archive does not hold.
constexpr detection::DenseTrainingConfig kTraining = {0.5, 0.4, detection::BoxLoss::kL1, 1.5, 0.25};

// What decides between L1 and GIoU in training.
detection::BoxLoss read_box_loss(const Module& head) {
  const Module regression = head.attr("regression_head").toModule();
  if (!regression.hasattr("_loss_type")) {
    // torchvision before RetinaNet v2 knew L1 only; a head of somebody's own may know anything.
    TORCH_CHECK(is_detection(regression.type(), "retinanet", "RetinaNetRegressionHead"),
                "the loss of this head is not known");
    return detection::BoxLoss::kL1;
  }
  const std::string loss = regression.attr("_loss_type").toStringRef();
  TORCH_CHECK(loss == "l1" || loss == "giou", "the loss is ", loss);
  return loss == "l1" ? detection::BoxLoss::kL1 : detection::BoxLoss::kGiou;
}

detection::DefaultBoxConfig read_default_boxes(const Module& generator) {
  detection::DefaultBoxConfig config;
  config.aspect_ratios = nested_numbers(generator.attr("aspect_ratios"));
  config.scales = numbers(generator.attr("scales"));
  if (!generator.attr("steps").isNone()) config.steps = numbers(generator.attr("steps"));
  config.clip = generator.attr("clip").toBool();
  return config;
}

void read_retinanet(const Module& module, DenseConfig& config) {
  config.head = DenseHead::kRetinaNet;
  config.anchors =
      read_anchors(module_of(module, "anchor_generator", "anchor_utils", "AnchorGenerator"));
  config.bbox_reg_weights = read_box_weights(coder_of(module, "BoxCoder"));
  const Object matcher = object_of(module, "proposal_matcher");
  config.training.fg_iou_thresh = matcher.attr("high_threshold").toDouble();
  config.training.bg_iou_thresh = matcher.attr("low_threshold").toDouble();
  config.training.box_loss = read_box_loss(module.attr("head").toModule());
}

void read_fcos(const Module& module, DenseConfig& config) {
  config.head = DenseHead::kFcos;
  config.anchors =
      read_anchors(module_of(module, "anchor_generator", "anchor_utils", "AnchorGenerator"));
  TORCH_CHECK(coder_of(module, "BoxLinearCoder").attr("normalize_by_size").toBool(),
              "boxes are in pixels");
  config.training.center_sampling_radius = module.attr("center_sampling_radius").toDouble();
}

void read_ssd(const Module& module, DenseConfig& config) {
  config.head = DenseHead::kSsd;
  config.default_boxes = read_default_boxes(
      module_of(module, "anchor_generator", "anchor_utils", "DefaultBoxGenerator"));
  config.bbox_reg_weights = read_box_weights(coder_of(module, "BoxCoder"));
  config.training.fg_iou_thresh =
      object_of(module, "proposal_matcher").attr("high_threshold").toDouble();
  // torchvision keeps negatives per positive.
  config.training.positive_fraction = 1 / (1 + module.attr("neg_to_pos_ratio").toDouble());
}

// Reads what is the family's own; false where the root is of no family.
bool read_family(const Module& module, DenseConfig& config) {
  if (is_detection(module.type(), "retinanet", "RetinaNet")) {
    read_retinanet(module, config);
  } else if (is_detection(module.type(), "fcos", "FCOS")) {
    read_fcos(module, config);
  } else if (is_detection(module.type(), "ssd", "SSD")) {  // SSDlite too
    read_ssd(module, config);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool has_dense_network(const Module& module) {
  return has_module(module, "backbone") && has_module(module, "head");
}

std::optional<DenseConfig> read_dense_config(const Module& module) {
  try {
    DenseConfig config;
    config.training = kTraining;
    if (!read_family(module, config)) return std::nullopt;
    config.transform =
        read_transform(module_of(module, "transform", "transform", "GeneralizedRCNNTransform"));
    config.score_thresh = module.attr("score_thresh").toDouble();
    config.nms_thresh = module.attr("nms_thresh").toDouble();
    config.detections_per_img = module.attr("detections_per_img").toInt();
    config.topk_candidates = module.attr("topk_candidates").toInt();
    return config;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace torchdet::script
