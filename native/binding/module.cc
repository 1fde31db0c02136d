#include "module.h"

#include <c10/core/InferenceMode.h>

#include "../script/compiler.h"
#include "../script/state.h"
#include "calls.h"
#include "dtypes.h"
#include "module_state.h"
#include "options.h"
#include "tensor.h"
#include "values.h"

namespace torchdet::binding {
namespace {

constexpr napi_type_tag kModuleTag = {0x746f726368646574, 0x6d6f64756c650001};

using StatePtr = std::shared_ptr<ModuleState>;
using Checkpoint = std::function<void()>;

StatePtr make_state(torch::jit::Module module, const std::string& device,
                    script::ExtraFiles extra_files) {
  auto state = std::make_shared<ModuleState>();
  state->module = std::move(module);
  state->device = device;
  state->description = script::describe(state->module, std::move(extra_files));
  for (const auto& entry : script::state_of(state->module))
    state->bytes += static_cast<int64_t>(entry.tensor.nbytes());
  return state;
}

c10::Device device_of(const std::string& name) {
  try {
    return c10::Device(name);
  } catch (const c10::Error& error) {
    throw CodedError("ERR_DEVICE", error.what_without_backtrace());
  }
}

const char* kind_name(script::ArchiveKind kind) {
  switch (kind) {
    case script::ArchiveKind::kRcnn:
      return "rcnn";
    case script::ArchiveKind::kDense:
      return "dense";
    case script::ArchiveKind::kDetector:
      return "detector";
    case script::ArchiveKind::kOther:
      break;
  }
  return "other";
}

// "rpn.head.forward": the submodule and the method to call.
torch::jit::Method find_method(const torch::jit::Module& root, const std::string& path) {
  torch::jit::Module module = root;
  size_t begin = 0;
  for (size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', begin)) {
    const std::string name = path.substr(begin, dot - begin);
    if (!module.hasattr(name) || !module.attr(name).isModule()) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "the module has no submodule \"" + path.substr(0, dot) + "\"");
    }
    module = module.attr(name).toModule();
    begin = dot + 1;
  }
  const auto method = module.find_method(path.substr(begin));
  if (!method)
    throw CodedError("ERR_INVALID_ARGUMENT", "the module has no method \"" + path + "\"");
  return *method;
}

}  // namespace

Napi::Function ModuleObject::define(Napi::Env env) {
  return DefineClass(env, "NativeModule",
                     {
                         StaticMethod("compile", &ModuleObject::compile),
                         StaticMethod("load", &ModuleObject::load),
                         InstanceAccessor("device", &ModuleObject::device, nullptr),
                         InstanceMethod("describe", &ModuleObject::describe),
                         InstanceMethod("save", &ModuleObject::save),
                         InstanceMethod("names", &ModuleObject::names),
                         InstanceMethod("stateDict", &ModuleObject::state_dict),
                         InstanceMethod("loadState", &ModuleObject::load_state),
                         InstanceMethod("setTraining", &ModuleObject::set_training),
                         InstanceMethod("setRequiresGrad", &ModuleObject::set_requires_grad),
                         InstanceMethod("call", &ModuleObject::call),
                         InstanceMethod("dispose", &ModuleObject::dispose),
                     });
}

ModuleObject::ModuleObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  napi_type_tag_object(info.Env(), info.This(), &kModuleTag);
}

ModuleObject::~ModuleObject() { clear(); }

Napi::Object ModuleObject::wrap(Napi::Env env, StatePtr state) {
  const Napi::Object object = Environment::of(env).module_class.New({});
  ModuleObject* self = Unwrap(object);
  self->state_ = std::move(state);
  self->reported_ = self->state_->bytes;
  Napi::MemoryManagement::AdjustExternalMemory(env, self->reported_);
  return object;
}

StatePtr ModuleObject::unwrap(const Napi::Value& value) {
  bool ours = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &kModuleTag, &ours);
  if (!ours) throw CodedError("ERR_INVALID_ARGUMENT", "expected a module");
  return Unwrap(value.As<Napi::Object>())->live();
}

const StatePtr& ModuleObject::live() const {
  if (!state_) throw CodedError("ERR_DISPOSED", "The module was disposed.");
  return state_;
}

void ModuleObject::clear() {
  if (!state_) return;
  state_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_);
}

void ModuleObject::dispose(const Napi::CallbackInfo&) { clear(); }

Napi::Value ModuleObject::compile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[1].As<Napi::Object>();
    const std::string device = options.Get("device").ToString();
    const auto seed = static_cast<uint64_t>(options.Get("seed").ToNumber().Int64Value());
    return run_on_device(
        Environment::of(info.Env()), device,
        [spec = to_module_spec(info[0]), device, seed](const Checkpoint&) {
          torch::jit::Module module = script::compile(spec, seed);
          module.to(device_of(device));
          return make_state(std::move(module), device, {});
        },
        [](Napi::Env env, const StatePtr& state) -> Napi::Value { return wrap(env, state); },
        {"ERR_COMPILE", {}, {}});
  });
}

Napi::Value ModuleObject::load(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string device = info[1].As<Napi::Object>().Get("device").ToString();
    return run_on_device(
        Environment::of(info.Env()), device,
        [path = info[0].ToString().Utf8Value(), device](const Checkpoint&) {
          script::ExtraFiles extra_files;
          torch::jit::Module module = script::load_archive(path, device_of(device), &extra_files);
          return make_state(std::move(module), device, std::move(extra_files));
        },
        [](Napi::Env env, const StatePtr& state) -> Napi::Value { return wrap(env, state); },
        {"ERR_ARCHIVE_FORMAT", {}, {}});
  });
}

Napi::Value ModuleObject::device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), live()->device); });
}

Napi::Value ModuleObject::describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const script::ArchiveDescription& description = live()->description;
    Napi::Object result = Napi::Object::New(env);
    result.Set("typeName", description.type_name);
    result.Set("kind", kind_name(description.kind));
    result.Set("forwardSchema", description.forward_schema);
    Napi::Object extra_files = Napi::Object::New(env);
    for (const auto& [name, text] : description.extra_files) extra_files.Set(name, text);
    result.Set("extraFiles", extra_files);
    if (description.config) result.Set("config", to_js(env, *description.config));
    return result;
  });
}

Napi::Value ModuleObject::save(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    script::ExtraFiles extra_files;
    const Napi::Object files = info[1].As<Napi::Object>();
    const Napi::Array names = files.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).ToString();
      extra_files[name] = files.Get(name).ToString().Utf8Value();
    }
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live(), path = info[0].ToString().Utf8Value(), extra_files](const Checkpoint&) {
          script::save_archive(state->module, path, extra_files);
          return Done{};
        },
        done_to_js, {"ERR_FILE", {}, {}});
  });
}

Napi::Value ModuleObject::names(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live()](const Checkpoint&) { return script::state_of(state->module); },
        [](Napi::Env env, const std::vector<script::StateEntry>& entries) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, entries.size());
          for (size_t i = 0; i < entries.size(); ++i) {
            Napi::Object entry = Napi::Object::New(env);
            entry.Set("name", entries[i].name);
            entry.Set("kind", entries[i].is_parameter ? "parameter" : "buffer");
            entry.Set("shape", to_array(env, entries[i].tensor.sizes().vec()));
            entry.Set("dtype", dtype_name(entries[i].tensor.scalar_type()));
            entry.Set("requiresGrad", entries[i].tensor.requires_grad());
            array.Set(static_cast<uint32_t>(i), entry);
          }
          return array;
        });
  });
}

Napi::Value ModuleObject::state_dict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live()](const Checkpoint&) {
          auto entries = script::state_of(state->module);
          for (auto& entry : entries) entry.tensor = entry.tensor.detach().cpu();
          return entries;
        },
        [](Napi::Env env, const std::vector<script::StateEntry>& entries) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          for (const auto& entry : entries)
            result.Set(entry.name, TensorObject::wrap(env, entry.tensor));
          return result;
        });
  });
}

Napi::Value ModuleObject::load_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object object = info[0].As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    std::unordered_map<std::string, at::Tensor> values;
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).ToString();
      values.emplace(name, TensorObject::unwrap(object.Get(name)));
    }
    return run_on_device(Environment::of(info.Env()), live()->device,
                         [state = live(), values = std::move(values)](const Checkpoint&) {
                           script::load_state(state->module, values);
                           ++state->version;
                           return Done{};
                         },
                         done_to_js, {"ERR_STATE_DICT", {}, {}});
  });
}

Napi::Value ModuleObject::set_training(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live(), training = info[0].ToBoolean().Value()](const Checkpoint&) {
          state->module.train(training);
          ++state->version;
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value ModuleObject::set_requires_grad(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live(), names = strings(info[0], "names"),
         requires_grad = info[1].ToBoolean().Value()](const Checkpoint&) {
          script::set_requires_grad(state->module, names, requires_grad);
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value ModuleObject::call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const torch::jit::Method method = find_method(live()->module, info[0].ToString());
    // Parameter 0 of a method's schema is the module itself.
    auto arguments = to_arguments(info[1], method.function().getSchema(), 1);
    return run_on_device(
        Environment::of(info.Env()), live()->device,
        [state = live(), method, arguments = std::move(arguments)](const Checkpoint&) mutable {
          c10::InferenceMode no_gradients;
          for (c10::IValue& argument : arguments) {
            if (argument.isTensor()) argument = argument.toTensor().to(device_of(state->device));
          }
          return method(arguments);
        },
        [](Napi::Env env, const c10::IValue& value) { return to_js(env, value); });
  });
}

}  // namespace torchdet::binding
