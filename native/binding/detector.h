// The JavaScript object around a detector: a module's network, in its exact and its compiled form,
// and the detection code that drives it. It shares the module's state and lives as long as its own
// queued calls; dispose() drops its share.
#pragma once

#include <napi.h>

#include <memory>

namespace torchdet::binding {

class DetectorState;

class DetectorObject : public Napi::ObjectWrap<DetectorObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit DetectorObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value set_running(const Napi::CallbackInfo& info);
  // Single stages: detector_stages.cc.
  Napi::Value transform(const Napi::CallbackInfo& info);
  Napi::Value backbone(const Napi::CallbackInfo& info);
  Napi::Value rpn(const Napi::CallbackInfo& info);
  Napi::Value roi_heads(const Napi::CallbackInfo& info);
  Napi::Value head(const Napi::CallbackInfo& info);

  // Training: detector_training.cc.
  Napi::Value losses(const Napi::CallbackInfo& info);
  Napi::Value train_step(const Napi::CallbackInfo& info);

  // In what numbers it computes: detector_precision.cc.
  static Napi::Value cpu_support(const Napi::CallbackInfo& info);
  Napi::Value observe(const Napi::CallbackInfo& info);
  Napi::Value calibration(const Napi::CallbackInfo& info);
  Napi::Value set_precision(const Napi::CallbackInfo& info);
  Napi::Value calibration_fits(const Napi::CallbackInfo& info);

  Napi::Value dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<DetectorState>& live() const;
  // For the stages: throw where the detector is not of the kind that has this one.
  const std::shared_ptr<DetectorState>& live_with_stages() const;
  const std::shared_ptr<DetectorState>& live_rcnn(const char* stage) const;
  const std::shared_ptr<DetectorState>& live_dense(const char* stage) const;

  std::shared_ptr<DetectorState> state_;
};

}  // namespace torchdet::binding
