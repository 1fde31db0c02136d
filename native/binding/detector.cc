#include "detector.h"

#include <algorithm>

#include "../memory/allocator.h"
#include "calls.h"
#include "cancel_token.h"
#include "detector_state.h"
#include "images.h"
#include "module.h"
#include "options.h"

namespace torchdet::binding {
namespace {

using Checkpoint = std::function<void()>;
using detection::Detections;
using detection::ImageSize;
using detection::ImageView;

}  // namespace

Napi::Function DetectorObject::define(Napi::Env env) {
  return DefineClass(env, "NativeDetector",
                     {
                         InstanceMethod("predict", &DetectorObject::predict),
                         InstanceMethod("setRunning", &DetectorObject::set_running),
                         InstanceMethod("transform", &DetectorObject::transform),
                         InstanceMethod("backbone", &DetectorObject::backbone),
                         InstanceMethod("rpn", &DetectorObject::rpn),
                         InstanceMethod("roiHeads", &DetectorObject::roi_heads),
                         InstanceMethod("head", &DetectorObject::head),
                         InstanceMethod("losses", &DetectorObject::losses),
                         InstanceMethod("trainStep", &DetectorObject::train_step),
                         StaticMethod("cpuSupport", &DetectorObject::cpu_support),
                         InstanceMethod("observe", &DetectorObject::observe),
                         InstanceMethod("calibration", &DetectorObject::calibration),
                         InstanceMethod("setPrecision", &DetectorObject::set_precision),
                         InstanceMethod("calibrationFits", &DetectorObject::calibration_fits),
                         InstanceMethod("dispose", &DetectorObject::dispose),
                     });
}

DetectorObject::DetectorObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  guarded(info.Env(), [&] {
    state_ = std::make_shared<DetectorState>(ModuleObject::unwrap(info[0]),
                                             to_detection_config(info[1]));
  });
}

const std::shared_ptr<DetectorState>& DetectorObject::live() const {
  if (!state_) throw CodedError("ERR_DISPOSED", "The detector was disposed.");
  return state_;
}

const std::shared_ptr<DetectorState>& DetectorObject::live_with_stages() const {
  if (!live()->is_rcnn() && !live()->is_dense()) {
    throw CodedError(
        "ERR_ARCHIVE_UNSUPPORTED",
        "This model runs through its archive's own forward: its stages and losses are not known.");
  }
  return state_;
}

const std::shared_ptr<DetectorState>& DetectorObject::live_rcnn(const char* stage) const {
  if (!live_with_stages()->is_rcnn()) {
    throw CodedError("ERR_ARCHIVE_UNSUPPORTED", std::string("A one-stage detector has no stage ") +
                                                    stage +
                                                    ": it has transform, backbone and head.");
  }
  return state_;
}

const std::shared_ptr<DetectorState>& DetectorObject::live_dense(const char* stage) const {
  if (!live_with_stages()->is_dense()) {
    throw CodedError("ERR_ARCHIVE_UNSUPPORTED",
                     std::string("A two-stage detector has no stage ") + stage +
                         ": it has transform, backbone, rpn and roiHeads.");
  }
  return state_;
}

Napi::Value DetectorObject::dispose(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string device = live()->module->device;
    state_.reset();
    return run_on_device(
        Environment::of(info.Env()), device,
        [](const Checkpoint&) {
          memory::release_unused();
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value DetectorObject::set_running(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[0].As<Napi::Object>();
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), padded = options.Get("padded").ToBoolean().Value(),
         replays = options.Get("replays").ToBoolean().Value()](const Checkpoint&) {
          state->set_running(padded, replays);
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value DetectorObject::predict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[1].As<Napi::Object>();
    auto images = to_images(info[0]);
    std::vector<ImageSize> sizes;
    for (const ImageView& image : images) sizes.push_back({image.height, image.width});
    if (const Napi::Value given = options.Get("names"); given.IsArray()) {
      const std::vector<std::string> names = strings(given, "names");
      for (size_t i = 0; i < std::min(names.size(), images.size()); ++i) images[i].name = names[i];
    }
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), images = std::move(images),
         exact = options.Get("exact").ToBoolean().Value(),
         threshold =
             options.Get("scoreThreshold").ToNumber().DoubleValue()](const Checkpoint& checkpoint) {
          return state->predict(images, threshold, exact, checkpoint);
        },
        [sizes](Napi::Env env, const std::vector<Detections>& results) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, results.size());
          for (size_t i = 0; i < results.size(); ++i) {
            array.Set(static_cast<uint32_t>(i), to_js(env, results[i], sizes[i]));
          }
          return array;
        },
        {"ERR_NATIVE", CancelTokenObject::unwrap(info[2]), {info[0]}});
  });
}

}  // namespace torchdet::binding
