// The JavaScript object around the averages of a module's weights. It shares the module's state;
// dispose() drops this object's share behind whatever work is queued.
#pragma once

#include <napi.h>

#include <memory>

namespace torchdet::binding {

class EmaObject : public Napi::ObjectWrap<EmaObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit EmaObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  struct State;

  static Napi::Value create(const Napi::CallbackInfo& info);

  Napi::Value update(const Napi::CallbackInfo& info);
  Napi::Value restart(const Napi::CallbackInfo& info);
  Napi::Value swap(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  // `work` with the averages and the module's present tensors, on the device's thread.
  template <typename Work>
  Napi::Value run(const Napi::CallbackInfo& info, const char* failure_code, Work work);
  const std::shared_ptr<State>& live() const;

  std::shared_ptr<State> state_;
};

}  // namespace torchdet::binding
