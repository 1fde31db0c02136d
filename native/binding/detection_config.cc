#include "config_fields.h"
#include "options.h"

// One description of the fields serves both directions: reading fills the struct from an object,
// writing fills an object.

namespace torchdet::binding {
namespace {

template <typename Fields>
void visit_transform(Fields& fields, detection::TransformConfig& config) {
  fields.field("minSize", config.min_size);
  fields.field("maxSize", config.max_size);
  fields.field("imageMean", config.image_mean);
  fields.field("imageStd", config.image_std);
  fields.field("sizeDivisible", config.size_divisible);
  fields.field("fixedSize", config.fixed_size);
  fields.choice("channelOrder", config.channel_order,
                {{"rgb", detection::ChannelOrder::kRgb}, {"bgr", detection::ChannelOrder::kBgr}});
}

template <typename Fields>
void visit_anchors(Fields& fields, detection::AnchorConfig& config) {
  fields.field("sizes", config.sizes);
  fields.field("aspectRatios", config.aspect_ratios);
}

// Matching and sampling options, which the RPN and the RoI heads have alike.
template <typename Fields, typename Config>
void visit_sampling(Fields& fields, Config& config) {
  fields.field("fgIouThresh", config.fg_iou_thresh);
  fields.field("bgIouThresh", config.bg_iou_thresh);
  fields.field("batchSizePerImage", config.batch_size_per_image);
  fields.field("positiveFraction", config.positive_fraction);
}

template <typename Fields>
void visit_rpn(Fields& fields, detection::RpnConfig& config) {
  fields.field("preNmsTopNTrain", config.pre_nms_top_n_train);
  fields.field("preNmsTopNTest", config.pre_nms_top_n_test);
  fields.field("postNmsTopNTrain", config.post_nms_top_n_train);
  fields.field("postNmsTopNTest", config.post_nms_top_n_test);
  fields.field("nmsThresh", config.nms_thresh);
  fields.field("scoreThresh", config.score_thresh);
  visit_sampling(fields, config);
}

template <typename Fields>
void visit_pool(Fields& fields, detection::RoiPoolConfig& config) {
  fields.field("featmapNames", config.featmap_names);
  fields.field("strides", config.strides);
  fields.field("outputSize", config.output_size);
  fields.field("samplingRatio", config.sampling_ratio);
  fields.field("canonicalScale", config.canonical_scale);
  fields.field("canonicalLevel", config.canonical_level);
  fields.choice("missingLevels", config.missing_levels,
                {{"nearest", detection::MissingLevels::kNearest},
                 {"zeros", detection::MissingLevels::kZeros}});
}

template <typename Fields>
void visit_roi_heads(Fields& fields, detection::RoiHeadsConfig& config) {
  const auto visit = [](auto& inner, auto& pool) { visit_pool(inner, pool); };
  fields.group("boxRoiPool", config.box_roi_pool, visit);
  fields.group("maskRoiPool", config.mask_roi_pool, visit);
  fields.group("keypointRoiPool", config.keypoint_roi_pool, visit);
  fields.field("scoreThresh", config.score_thresh);
  fields.field("nmsThresh", config.nms_thresh);
  fields.field("detectionsPerImg", config.detections_per_img);
  fields.field("bboxRegWeights", config.bbox_reg_weights);
  visit_sampling(fields, config);
}

template <typename Fields>
void visit_rcnn(Fields& fields, detection::RcnnConfig& config) {
  fields.group("transform", config.transform,
               [](auto& inner, auto& part) { visit_transform(inner, part); });
  fields.group("anchors", config.anchors,
               [](auto& inner, auto& part) { visit_anchors(inner, part); });
  fields.group("rpn", config.rpn, [](auto& inner, auto& part) { visit_rpn(inner, part); });
  fields.group("roiHeads", config.roi_heads,
               [](auto& inner, auto& part) { visit_roi_heads(inner, part); });
}

template <typename Fields>
void visit_default_boxes(Fields& fields, detection::DefaultBoxConfig& config) {
  fields.field("aspectRatios", config.aspect_ratios);
  fields.field("scales", config.scales);
  fields.field("steps", config.steps);
  fields.field("clip", config.clip);
}

template <typename Fields>
void visit_dense_training(Fields& fields, detection::DenseTrainingConfig& config) {
  fields.field("fgIouThresh", config.fg_iou_thresh);
  fields.field("bgIouThresh", config.bg_iou_thresh);
  fields.choice("boxLoss", config.box_loss,
                {{"l1", detection::BoxLoss::kL1}, {"giou", detection::BoxLoss::kGiou}});
  fields.field("centerSamplingRadius", config.center_sampling_radius);
  fields.field("positiveFraction", config.positive_fraction);
}

template <typename Fields>
void visit_dense(Fields& fields, detection::DenseConfig& config) {
  using detection::DenseHead;
  fields.choice("head", config.head,
                {{"retinanet", DenseHead::kRetinaNet},
                 {"fcos", DenseHead::kFcos},
                 {"fcosOriginal", DenseHead::kFcosOriginal},
                 {"ssd", DenseHead::kSsd}});
  fields.group("transform", config.transform,
               [](auto& inner, auto& part) { visit_transform(inner, part); });
  fields.group("anchors", config.anchors,
               [](auto& inner, auto& part) { visit_anchors(inner, part); });
  fields.field("pointStrides", config.point_strides);
  fields.group("defaultBoxes", config.default_boxes,
               [](auto& inner, auto& part) { visit_default_boxes(inner, part); });
  fields.field("bboxRegWeights", config.bbox_reg_weights);
  fields.field("scoreThresh", config.score_thresh);
  fields.field("nmsThresh", config.nms_thresh);
  fields.field("detectionsPerImg", config.detections_per_img);
  fields.field("topkCandidates", config.topk_candidates);
  fields.group("training", config.training,
               [](auto& inner, auto& part) { visit_dense_training(inner, part); });
}

}  // namespace

std::optional<detection::DetectionConfig> to_detection_config(const Napi::Value& value) {
  Reader reader(value, "config");
  const std::string kind = value.As<Napi::Object>().Get("kind").ToString();
  if (kind == "forward") return std::nullopt;
  if (kind == "dense") {
    detection::DenseConfig config;
    visit_dense(reader, config);
    return config;
  }
  if (kind != "rcnn") {
    throw CodedError("ERR_INVALID_ARGUMENT", "config.kind is \"" + kind + "\"");
  }
  detection::RcnnConfig config;
  visit_rcnn(reader, config);
  return config;
}

Napi::Object to_js(Napi::Env env, const detection::DetectionConfig& config) {
  Writer writer(env);
  detection::DetectionConfig copy = config;
  if (auto* rcnn = std::get_if<detection::RcnnConfig>(&copy)) {
    visit_rcnn(writer, *rcnn);
    writer.object().Set("kind", "rcnn");
  } else {
    visit_dense(writer, std::get<detection::DenseConfig>(copy));
    writer.object().Set("kind", "dense");
  }
  return writer.object();
}

}  // namespace torchdet::binding
