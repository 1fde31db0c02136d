#include "evaluation.h"

#include "../evaluation/coco_evaluation.h"
#include "../evaluation/confusion.h"
#include "calls.h"
#include "cancel_token.h"
#include "config_fields.h"

namespace torchdet::binding {
namespace {

using evaluation::AreaRange;
using evaluation::Dataset;
using evaluation::Kind;
using evaluation::ObjectList;

const Choices<Kind> kKinds = {
    {"bbox", Kind::kBoxes}, {"segm", Kind::kMasks}, {"keypoints", Kind::kKeypoints}};

template <typename Element>
Element* elements(const Napi::Object& object, const char* name) {
  return reinterpret_cast<Element*>(memory_of(object.Get(name)).data);
}

ObjectList to_objects(const Napi::Object& object) {
  return {
      elements<int32_t>(object, "offsets"),  elements<int32_t>(object, "categories"),
      elements<uint8_t>(object, "flags"),    elements<double>(object, "boxes"),
      elements<uint32_t>(object, "runs"),    elements<uint32_t>(object, "runOffsets"),
      elements<double>(object, "keypoints"),
  };
}

Dataset to_dataset(const Napi::Value& value) {
  Reader reader(value, "evaluation");
  const Napi::Object object = value.As<Napi::Object>();
  Dataset data{};
  reader.choice("kind", data.kind, kKinds);
  reader.field("categories", data.categories);
  reader.field("sigmas", data.sigmas);
  const MemoryView order = memory_of(object.Get("order"));
  data.order.resize(order.byte_length / sizeof(int32_t));
  std::copy_n(reinterpret_cast<const int32_t*>(order.data), data.order.size(), data.order.begin());
  const Napi::Object truth = object.Get("truth").As<Napi::Object>();
  const Napi::Object found = object.Get("found").As<Napi::Object>();
  data.truth = to_objects(truth);
  data.areas = elements<double>(truth, "areas");
  data.found = to_objects(found);
  data.scores = elements<double>(found, "scores");
  return data;
}

evaluation::CocoOptions to_coco_options(const Napi::Value& value) {
  evaluation::CocoOptions options;
  Reader reader(value, "options");
  std::vector<std::vector<double>> areas;
  reader.field("areas", areas);
  for (const auto& range : areas) options.areas.push_back({range.at(0), range.at(1)});
  reader.field("maxDetections", options.max_detections);
  return options;
}

evaluation::ConfusionOptions to_confusion_options(const Napi::Value& value) {
  evaluation::ConfusionOptions options{};
  Reader reader(value, "options");
  reader.field("scoreThreshold", options.score_threshold);
  reader.field("overlapThreshold", options.overlap_threshold);
  return options;
}

Napi::Value to_array(Napi::Env env, const std::vector<double>& values) {
  auto array = Napi::Float64Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value to_array(Napi::Env env, const std::vector<int32_t>& values) {
  auto array = Napi::Int32Array::New(env, values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value to_js(Napi::Env env, const evaluation::CocoFigures& figures) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("precision", to_array(env, figures.precision));
  object.Set("scores", to_array(env, figures.scores));
  object.Set("recall", to_array(env, figures.recall));
  object.Set("truthCount", to_array(env, figures.truth_count));
  object.Set("foundCount", to_array(env, figures.found_count));
  return object;
}

Napi::Value to_js(Napi::Env env, const evaluation::Confusion& confusion) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("matrix", to_array(env, confusion.matrix));
  object.Set("foundMatches", to_array(env, confusion.found_matches));
  object.Set("truthMatches", to_array(env, confusion.truth_matches));
  return object;
}

// Arguments: data, options, progress (two int32: done, total), cancel.
template <typename Options, typename Work>
Napi::Value run_evaluation(const Napi::CallbackInfo& info, Options options, Work work) {
  const MemoryView progress = memory_of(info[2]);
  if (progress.byte_length < 2 * sizeof(int32_t))
    throw CodedError("ERR_INVALID_ARGUMENT", "progress must hold two numbers");
  return run_on_device(
      Environment::of(info.Env()), "cpu",
      [data = to_dataset(info[0]), options, work,
       counters =
           reinterpret_cast<int32_t*>(progress.data)](const std::function<void()>& checkpoint) {
        const evaluation::Progress shown{std::atomic_ref<int32_t>(counters[0]),
                                         std::atomic_ref<int32_t>(counters[1])};
        return work(data, options, shown, checkpoint);
      },
      [](Napi::Env env, const auto& result) { return to_js(env, result); },
      {"ERR_NATIVE", CancelTokenObject::unwrap(info[3]), {info[0], info[2]}});
}

}  // namespace

Napi::Value evaluate_detections(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_evaluation(info, to_coco_options(info[1]), evaluation::evaluate_coco);
  });
}

Napi::Value confuse_detections(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_evaluation(info, to_confusion_options(info[1]), evaluation::confuse);
  });
}

}  // namespace torchdet::binding
