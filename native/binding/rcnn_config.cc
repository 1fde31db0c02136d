#include "calls.h"
#include "options.h"

// One description of the fields serves both directions: reading fills the struct from an object,
// writing fills an object.

namespace torchdet::binding {
namespace {

class Reader {
 public:
  explicit Reader(const Napi::Value& value, std::string where) : where_(std::move(where)) {
    if (!value.IsObject()) throw CodedError("ERR_INVALID_ARGUMENT", where_ + " must be an object");
    object_ = value.As<Napi::Object>();
  }

  void field(const char* name, double& target) { target = value(name).ToNumber().DoubleValue(); }
  void field(const char* name, int64_t& target) { target = value(name).ToNumber().Int64Value(); }
  void field(const char* name, std::vector<double>& target) { target = doubles(value(name), name); }
  void field(const char* name, std::vector<int64_t>& target) {
    target = integers(value(name), name);
  }
  void field(const char* name, std::vector<std::string>& target) {
    target = strings(value(name), name);
  }

  void field(const char* name, std::vector<std::vector<double>>& target) {
    const Napi::Array array = value(name).As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) target.push_back(doubles(array.Get(i), name));
  }

  template <size_t N>
  void field(const char* name, std::array<int64_t, N>& target) {
    const auto values = integers(value(name), name);
    check_length(name, values.size(), N);
    std::copy(values.begin(), values.end(), target.begin());
  }

  template <size_t N>
  void field(const char* name, std::array<double, N>& target) {
    const auto values = doubles(value(name), name);
    check_length(name, values.size(), N);
    std::copy(values.begin(), values.end(), target.begin());
  }

  void field(const char* name, std::optional<std::array<int64_t, 2>>& target) {
    if (object_.Get(name).IsNull() || object_.Get(name).IsUndefined()) return;
    target.emplace();
    field(name, *target);
  }

  template <typename Config, typename Visit>
  void group(const char* name, Config& config, Visit visit) {
    Reader inner(value(name), where_ + "." + name);
    visit(inner, config);
  }

 private:
  Napi::Value value(const char* name) {
    const Napi::Value found = object_.Get(name);
    if (found.IsUndefined() || found.IsNull())
      throw CodedError("ERR_INVALID_ARGUMENT", where_ + "." + name + " is missing");
    return found;
  }

  void check_length(const char* name, size_t length, size_t wanted) {
    if (length == wanted) return;
    throw CodedError("ERR_INVALID_ARGUMENT", where_ + "." + name + " must have " +
                                                 std::to_string(wanted) + " numbers, got " +
                                                 std::to_string(length));
  }

  Napi::Object object_;
  std::string where_;
};

class Writer {
 public:
  explicit Writer(Napi::Env env) : env_(env), object_(Napi::Object::New(env)) {}
  Napi::Object object() const { return object_; }

  template <typename Value>
  void field(const char* name, const Value& value) {
    object_.Set(name, to_js(value));
  }

  template <typename Config, typename Visit>
  void group(const char* name, Config& config, Visit visit) {
    Writer inner(env_);
    visit(inner, config);
    object_.Set(name, inner.object());
  }

 private:
  Napi::Value to_js(double value) { return Napi::Number::New(env_, value); }
  Napi::Value to_js(int64_t value) { return Napi::Number::New(env_, static_cast<double>(value)); }
  Napi::Value to_js(const std::string& value) { return Napi::String::New(env_, value); }

  template <typename Value>
  Napi::Value to_js(const std::optional<Value>& value) {
    return value ? to_js(*value) : env_.Null();
  }

  template <typename Values>
  Napi::Value to_js(const Values& values) {
    Napi::Array array = Napi::Array::New(env_, values.size());
    uint32_t index = 0;
    for (const auto& value : values) array.Set(index++, to_js(value));
    return array;
  }

  Napi::Env env_;
  Napi::Object object_;
};

template <typename Fields>
void visit_transform(Fields& fields, detection::TransformConfig& config) {
  fields.field("minSize", config.min_size);
  fields.field("maxSize", config.max_size);
  fields.field("imageMean", config.image_mean);
  fields.field("imageStd", config.image_std);
  fields.field("sizeDivisible", config.size_divisible);
  fields.field("fixedSize", config.fixed_size);
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
}

template <typename Fields>
void visit_roi_heads(Fields& fields, detection::RoiHeadsConfig& config) {
  fields.group("boxRoiPool", config.box_roi_pool,
               [](auto& inner, auto& pool) { visit_pool(inner, pool); });
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

}  // namespace

detection::RcnnConfig to_rcnn_config(const Napi::Value& value) {
  Reader reader(value, "config");
  detection::RcnnConfig config;
  visit_rcnn(reader, config);
  return config;
}

Napi::Object to_js(Napi::Env env, const detection::RcnnConfig& config) {
  Writer writer(env);
  detection::RcnnConfig copy = config;
  visit_rcnn(writer, copy);
  writer.object().Set("kind", "rcnn");
  return writer.object();
}

}  // namespace torchdet::binding
