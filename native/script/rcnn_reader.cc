#include "rcnn_reader.h"

#include "reader_parts.h"

namespace torchdet::script {
namespace {

using torch::jit::Module;
using torch::jit::Object;

bool has_branch(const Module& roi_heads, const std::string& name) {
  return roi_heads.hasattr(name) && !roi_heads.attr(name).isNone();
}

int64_t count_of(const c10::IValue& dictionary, const std::string& phase) {
  return dictionary.toGenericDict().at(phase).toInt();
}

detection::RpnConfig read_rpn(const Module& rpn) {
  coder_of(rpn, "BoxCoder");
  detection::RpnConfig config;
  config.pre_nms_top_n_train = count_of(rpn.attr("_pre_nms_top_n"), "training");
  config.pre_nms_top_n_test = count_of(rpn.attr("_pre_nms_top_n"), "testing");
  config.post_nms_top_n_train = count_of(rpn.attr("_post_nms_top_n"), "training");
  config.post_nms_top_n_test = count_of(rpn.attr("_post_nms_top_n"), "testing");
  config.nms_thresh = rpn.attr("nms_thresh").toDouble();
  config.score_thresh = rpn.attr("score_thresh").toDouble();
  const Object matcher = object_of(rpn, "proposal_matcher");
  config.fg_iou_thresh = matcher.attr("high_threshold").toDouble();
  config.bg_iou_thresh = matcher.attr("low_threshold").toDouble();
  const Object sampler = object_of(rpn, "fg_bg_sampler");
  config.batch_size_per_image = sampler.attr("batch_size_per_image").toInt();
  config.positive_fraction = sampler.attr("positive_fraction").toDouble();
  return config;
}

detection::RoiPoolConfig read_pool(const Module& roi_heads, const std::string& name) {
  const Module pool = roi_heads.attr(name).toModule();
  TORCH_CHECK(is_torchvision(pool.type(), "ops.poolers.MultiScaleRoIAlign"), name,
              " is no MultiScaleRoIAlign");
  detection::RoiPoolConfig config;
  for (const c10::IValue& name : pool.attr("featmap_names").toListRef()) {
    config.featmap_names.push_back(name.toStringRef());
  }
  const auto size = numbers(pool.attr("output_size"));
  config.output_size = {static_cast<int64_t>(size.at(0)), static_cast<int64_t>(size.at(1))};
  config.sampling_ratio = pool.attr("sampling_ratio").toInt();
  config.canonical_scale = numbers(pool.attr("canonical_scale")).at(0);
  config.canonical_level = numbers(pool.attr("canonical_level")).at(0);
  // torchvision caches scales from the first image it sees, one for each map it finds; an archive
  // scripted after that carries them.
  if (pool.hasattr("scales") && !pool.attr("scales").isNone()) {
    for (const double scale : numbers(pool.attr("scales"))) config.strides.push_back(1 / scale);
  }
  return config;
}

detection::RoiHeadsConfig read_roi_heads(const Module& roi_heads) {
  detection::RoiHeadsConfig config;
  config.box_roi_pool = read_pool(roi_heads, "box_roi_pool");
  if (has_branch(roi_heads, "mask_roi_pool"))
    config.mask_roi_pool = read_pool(roi_heads, "mask_roi_pool");
  if (has_branch(roi_heads, "keypoint_roi_pool"))
    config.keypoint_roi_pool = read_pool(roi_heads, "keypoint_roi_pool");
  config.score_thresh = roi_heads.attr("score_thresh").toDouble();
  config.nms_thresh = roi_heads.attr("nms_thresh").toDouble();
  config.detections_per_img = roi_heads.attr("detections_per_img").toInt();
  config.bbox_reg_weights = read_box_weights(coder_of(roi_heads, "BoxCoder"));
  const Object matcher = object_of(roi_heads, "proposal_matcher");
  config.fg_iou_thresh = matcher.attr("high_threshold").toDouble();
  config.bg_iou_thresh = matcher.attr("low_threshold").toDouble();
  const Object sampler = object_of(roi_heads, "fg_bg_sampler");
  config.batch_size_per_image = sampler.attr("batch_size_per_image").toInt();
  config.positive_fraction = sampler.attr("positive_fraction").toDouble();
  return config;
}

bool is_rcnn(const c10::TypePtr& root) {
  return is_detection(root, "faster_rcnn", "FasterRCNN") ||
         is_detection(root, "mask_rcnn", "MaskRCNN") ||
         is_detection(root, "keypoint_rcnn", "KeypointRCNN") ||
         is_detection(root, "generalized_rcnn", "GeneralizedRCNN");
}

}  // namespace

bool has_rcnn_network(const Module& module) {
  if (!has_module(module, "backbone") || !has_module(module, "rpn") ||
      !has_module(module, "roi_heads")) {
    return false;
  }
  const Module roi_heads = module.attr("roi_heads").toModule();
  for (const std::string branch : {"mask", "keypoint"}) {
    // A branch is whole or not there: anything else is no structure of torchvision's.
    const bool pool = has_branch(roi_heads, branch + "_roi_pool");
    if (has_branch(roi_heads, branch + "_head") != has_branch(roi_heads, branch + "_predictor") ||
        (pool && !has_module(roi_heads, branch + "_head"))) {
      return false;
    }
  }
  return has_module(module.attr("rpn").toModule(), "head") && has_module(roi_heads, "box_head") &&
         has_module(roi_heads, "box_predictor");
}

std::optional<detection::RcnnConfig> read_rcnn_config(const Module& module) {
  if (!is_rcnn(module.type())) return std::nullopt;
  try {
    const Module rpn = module_of(module, "rpn", "rpn", "RegionProposalNetwork");
    detection::RcnnConfig config;
    config.transform =
        read_transform(module_of(module, "transform", "transform", "GeneralizedRCNNTransform"));
    config.anchors =
        read_anchors(module_of(rpn, "anchor_generator", "anchor_utils", "AnchorGenerator"));
    config.rpn = read_rpn(rpn);
    config.roi_heads = read_roi_heads(module_of(module, "roi_heads", "roi_heads", "RoIHeads"));
    return config;
  } catch (const std::exception&) {
    // A class of somebody's own, or an attribute that is missing or of another type, says that this
    // is not torchvision's structure after all; the archive's own forward is then the right way to
    // run it.
    return std::nullopt;
  }
}

}  // namespace torchdet::script
