#include "ema.h"

#include "../script/state.h"
#include "../training/ema.h"
#include "calls.h"
#include "module.h"
#include "module_state.h"
#include "named_tensors.h"

namespace torchdet::binding {
namespace {

using Checkpoint = std::function<void()>;
using training::NamedTensor;

std::vector<NamedTensor> tensors_of(const torch::jit::Module& module) {
  std::vector<NamedTensor> tensors;
  for (const auto& entry : script::state_of(module)) tensors.push_back({entry.name, entry.tensor});
  return tensors;
}

}  // namespace

struct EmaObject::State {
  const std::shared_ptr<ModuleState> module;
  training::Ema ema;
};

Napi::Function EmaObject::define(Napi::Env env) {
  return DefineClass(env, "NativeEma",
                     {
                         StaticMethod("create", &EmaObject::create),
                         InstanceMethod("update", &EmaObject::update),
                         InstanceMethod("restart", &EmaObject::restart),
                         InstanceMethod("swap", &EmaObject::swap),
                         InstanceMethod("stateDict", &EmaObject::state_dict),
                         InstanceMethod("loadState", &EmaObject::load_state),
                         InstanceMethod("dispose", &EmaObject::dispose),
                     });
}

Napi::Value EmaObject::create(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto module = ModuleObject::unwrap(info[0]);
    return run_on_device(
        Environment::of(info.Env()), module->device,
        [module, decay = info[1].ToNumber().DoubleValue()](const Checkpoint&) {
          return std::shared_ptr<State>(
              new State{module, training::Ema(decay, tensors_of(module->module))});
        },
        [](Napi::Env env, const std::shared_ptr<State>& state) -> Napi::Value {
          const Napi::Object object = Environment::of(env).ema_class.New({});
          Unwrap(object)->state_ = state;
          return object;
        });
  });
}

const std::shared_ptr<EmaObject::State>& EmaObject::live() const {
  if (!state_) throw CodedError("ERR_DISPOSED", "The averages were disposed.");
  return state_;
}

void EmaObject::dispose(const Napi::CallbackInfo&) { state_.reset(); }

template <typename Work>
Napi::Value EmaObject::run(const Napi::CallbackInfo& info, const char* failure_code, Work work) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(Environment::of(info.Env()), live()->module->device,
                         [state = live(), work = std::move(work)](const Checkpoint&) {
                           work(*state);
                           return Done{};
                         },
                         done_to_js, {failure_code, {}, {}});
  });
}

Napi::Value EmaObject::update(const Napi::CallbackInfo& info) {
  return run(info, "ERR_NATIVE",
             [](State& state) { state.ema.update(tensors_of(state.module->module)); });
}

Napi::Value EmaObject::restart(const Napi::CallbackInfo& info) {
  return run(info, "ERR_NATIVE", [](State& state) { state.ema.restart(); });
}

Napi::Value EmaObject::swap(const Napi::CallbackInfo& info) {
  return run(info, "ERR_NATIVE", [](State& state) {
    state.ema.swap(tensors_of(state.module->module));
    ++state.module->version;
  });
}

Napi::Value EmaObject::state_dict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live()](const Checkpoint&) { return on_cpu(state->ema.state()); },
        named_tensors_to_js);
  });
}

Napi::Value EmaObject::load_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run(info, "ERR_STATE_DICT", [values = to_named_tensors(info[0])](State& state) {
      state.ema.load_state(values);
    });
  });
}

}  // namespace torchdet::binding
