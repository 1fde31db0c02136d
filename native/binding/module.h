// The JavaScript object around a TorchScript module. Module and detectors made from it share the
// module's state; dispose() drops this object's share behind whatever work is queued, and the
// memory goes with the last share.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

namespace torchdet::script {
struct ArchiveDescription;
}

namespace torchdet::binding {

// A module and what must be known of it by all who use it. The module itself is touched on the
// device's thread only.
struct ModuleState;

class ModuleObject : public Napi::ObjectWrap<ModuleObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // Throws ERR_INVALID_ARGUMENT for other values and ERR_DISPOSED for a disposed module.
  static std::shared_ptr<ModuleState> unwrap(const Napi::Value& value);

  explicit ModuleObject(const Napi::CallbackInfo& info);
  ~ModuleObject() override;

 private:
  static Napi::Value compile(const Napi::CallbackInfo& info);
  static Napi::Value load(const Napi::CallbackInfo& info);
  static Napi::Object wrap(Napi::Env env, std::shared_ptr<ModuleState> state);

  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value describe(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value names(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state(const Napi::CallbackInfo& info);
  Napi::Value set_training(const Napi::CallbackInfo& info);
  Napi::Value set_requires_grad(const Napi::CallbackInfo& info);
  Napi::Value call(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<ModuleState>& live() const;
  void clear();

  std::shared_ptr<ModuleState> state_;
  int64_t reported_ = 0;
};

}  // namespace torchdet::binding
