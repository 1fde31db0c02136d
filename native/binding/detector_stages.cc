// The single stages of a detector, as JavaScript calls them.
#include "calls.h"
#include "detector.h"
#include "detector_state.h"
#include "images.h"
#include "tensor.h"

namespace torchdet::binding {
namespace {

using Checkpoint = std::function<void()>;
using detection::Detections;
using detection::ImageSize;

std::vector<at::Tensor> tensors_of(const Napi::Value& list, const char* what) {
  if (!list.IsArray())
    throw CodedError("ERR_INVALID_ARGUMENT", std::string(what) + " must be an array of tensors");
  const Napi::Array array = list.As<Napi::Array>();
  std::vector<at::Tensor> tensors;
  for (uint32_t i = 0; i < array.Length(); ++i)
    tensors.push_back(TensorObject::unwrap(array.Get(i)));
  return tensors;
}

detection::FeatureMaps maps_of(const Napi::Value& value) {
  if (!value.IsObject())
    throw CodedError("ERR_INVALID_ARGUMENT", "features must be an object of tensors");
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  detection::FeatureMaps maps;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    maps.emplace_back(name, TensorObject::unwrap(object.Get(name)));
  }
  return maps;
}

ImageSize size_of(const Napi::Value& value) {
  const auto size = integers(value, "the batch size");
  if (size.size() != 2)
    throw CodedError("ERR_INVALID_ARGUMENT", "the batch size is [height, width]");
  return {size[0], size[1]};
}

Napi::Array tensor_array(Napi::Env env, const std::vector<at::Tensor>& tensors) {
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i)
    array.Set(static_cast<uint32_t>(i), TensorObject::wrap(env, tensors[i]));
  return array;
}

Napi::Array size_array(Napi::Env env, const std::vector<ImageSize>& sizes) {
  Napi::Array array = Napi::Array::New(env, sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), to_array(env, {sizes[i][0], sizes[i][1]}));
  }
  return array;
}

// Detections of each image as tensors; masks and keypoints where the model has such a branch.
Napi::Array stage_detections(Napi::Env env, const std::vector<Detections>& detections) {
  Napi::Array array = Napi::Array::New(env, detections.size());
  for (size_t i = 0; i < detections.size(); ++i) {
    Napi::Object entry = Napi::Object::New(env);
    const auto set = [&](const char* name, const at::Tensor& tensor) {
      if (tensor.defined()) entry.Set(name, TensorObject::wrap(env, tensor));
    };
    set("boxes", detections[i].boxes);
    set("labels", detections[i].labels);
    set("scores", detections[i].scores);
    set("masks", detections[i].masks);
    set("keypoints", detections[i].keypoints);
    set("keypointsScores", detections[i].keypoints_scores);
    array.Set(static_cast<uint32_t>(i), entry);
  }
  return array;
}

}  // namespace

Napi::Value DetectorObject::transform(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_with_stages()->module->device,
        [state = live_with_stages(), images = to_images(info[0])](const Checkpoint&) {
          return state->transform(images);
        },
        [](Napi::Env env, const detection::ImageBatch& batch) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("batch", TensorObject::wrap(env, batch.tensor));
          result.Set("imageSizes", size_array(env, batch.image_sizes));
          return result;
        },
        {"ERR_NATIVE", {}, {info[0]}});
  });
}

Napi::Value DetectorObject::backbone(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_with_stages()->module->device,
        [state = live_with_stages(), batch = TensorObject::unwrap(info[0])](const Checkpoint&) {
          return state->backbone(batch);
        },
        [](Napi::Env env, const detection::FeatureMaps& maps) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          for (const auto& [name, map] : maps) result.Set(name, TensorObject::wrap(env, map));
          return result;
        });
  });
}

Napi::Value DetectorObject::rpn(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_rcnn("rpn")->module->device,
        [state = live_rcnn("rpn"), features = tensors_of(info[0], "features"),
         sizes = to_sizes(info[1]), batch_size = size_of(info[2])](const Checkpoint&) {
          return state->rpn(features, sizes, batch_size);
        },
        [](Napi::Env env, const detection::RpnOutput& output) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("anchors", TensorObject::wrap(env, output.anchors));
          result.Set("objectness", TensorObject::wrap(env, output.objectness));
          result.Set("deltas", TensorObject::wrap(env, output.deltas));
          result.Set("proposals", tensor_array(env, output.proposals));
          result.Set("scores", tensor_array(env, output.scores));
          return result;
        });
  });
}

Napi::Value DetectorObject::roi_heads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_rcnn("roiHeads")->module->device,
        [state = live_rcnn("roiHeads"), features = maps_of(info[0]),
         proposals = tensors_of(info[1], "proposals"), sizes = to_sizes(info[2]),
         batch_size = size_of(info[3])](const Checkpoint&) {
          return state->roi_heads(features, proposals, sizes, batch_size);
        },
        [](Napi::Env env, const detection::RoiOutput& output) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("pooled", TensorObject::wrap(env, output.pooled));
          result.Set("classLogits", TensorObject::wrap(env, output.class_logits));
          result.Set("boxRegression", TensorObject::wrap(env, output.box_regression));
          result.Set("detections", stage_detections(env, output.detections));
          return result;
        });
  });
}

Napi::Value DetectorObject::head(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_dense("head")->module->device,
        [state = live_dense("head"), features = tensors_of(info[0], "features"),
         sizes = to_sizes(info[1]), batch_size = size_of(info[2])](const Checkpoint&) {
          return state->head(features, sizes, batch_size);
        },
        [](Napi::Env env, const detection::DenseOutput& output) -> Napi::Value {
          Napi::Object outputs = Napi::Object::New(env);
          outputs.Set("cls_logits", TensorObject::wrap(env, output.outputs.cls_logits));
          outputs.Set("bbox_regression", TensorObject::wrap(env, output.outputs.bbox_regression));
          if (output.outputs.bbox_ctrness.defined()) {
            outputs.Set("bbox_ctrness", TensorObject::wrap(env, output.outputs.bbox_ctrness));
          }
          Napi::Object result = Napi::Object::New(env);
          result.Set("anchors", TensorObject::wrap(env, output.anchors));
          result.Set("outputs", outputs);
          result.Set("detections", stage_detections(env, output.detections));
          return result;
        });
  });
}

}  // namespace torchdet::binding
