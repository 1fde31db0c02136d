// The JavaScript object around a detector: a module's network, in its exact and its compiled form,
// and the detection code that drives it. It shares the module's state and lives as long as its own
// queued calls; dispose() drops its share.
#pragma once

#include <napi.h>

#include <memory>

namespace torchdet::binding {

struct DetectorState;

class DetectorObject : public Napi::ObjectWrap<DetectorObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit DetectorObject(const Napi::CallbackInfo& info);

 private:
  Napi::Value predict(const Napi::CallbackInfo& info);
  Napi::Value transform(const Napi::CallbackInfo& info);
  Napi::Value backbone(const Napi::CallbackInfo& info);
  Napi::Value rpn(const Napi::CallbackInfo& info);
  Napi::Value roi_heads(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<DetectorState>& live() const;
  // For the stages, which only a detector of R-CNN structure has.
  const std::shared_ptr<DetectorState>& live_rcnn() const;

  std::shared_ptr<DetectorState> state_;
};

}  // namespace torchdet::binding
