// The JavaScript object around an optimizer of one module's parameters. It shares the module's
// state; dispose() drops this object's share behind whatever work is queued.
#pragma once

#include <napi.h>

#include <memory>

namespace torchdet::binding {

// An optimizer and the module whose parameters it changes: see optimizer_state.h.
struct OptimizerState;

class OptimizerObject : public Napi::ObjectWrap<OptimizerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // Throws ERR_INVALID_ARGUMENT for other values and ERR_DISPOSED for a disposed optimizer.
  static std::shared_ptr<OptimizerState> unwrap(const Napi::Value& value);

  explicit OptimizerObject(const Napi::CallbackInfo& info);

 private:
  static Napi::Value create(const Napi::CallbackInfo& info);

  Napi::Value set_learning_rates(const Napi::CallbackInfo& info);
  // With gradients from elsewhere: for comparing with torch.
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value zero_grad(const Napi::CallbackInfo& info);
  Napi::Value state_dict(const Napi::CallbackInfo& info);
  Napi::Value load_state(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  const std::shared_ptr<OptimizerState>& live() const;

  std::shared_ptr<OptimizerState> state_;
};

}  // namespace torchdet::binding
