#include "optimizer.h"

#include "../script/state.h"
#include "calls.h"
#include "module.h"
#include "named_tensors.h"
#include "optimizer_state.h"

namespace torchdet::binding {
namespace {

constexpr napi_type_tag kOptimizerTag = {0x746f726368646574, 0x6f7074696d0001};

using StatePtr = std::shared_ptr<OptimizerState>;
using Checkpoint = std::function<void()>;

struct GroupOptions {
  std::vector<std::string> names;
  double learning_rate;
  double weight_decay;
};

double number(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw CodedError("ERR_INVALID_ARGUMENT", std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

std::optional<double> number_or_null(const Napi::Object& object, const char* name) {
  if (object.Get(name).IsNull()) return std::nullopt;
  return number(object, name);
}

training::Optimizer::Rule to_rule(const Napi::Object& options) {
  const std::string kind = options.Get("kind").ToString();
  if (kind == "sgd") {
    return training::Sgd{number(options, "momentum"), number(options, "dampening"),
                         options.Get("nesterov").ToBoolean()};
  }
  if (kind != "adamw") {
    throw CodedError("ERR_INVALID_ARGUMENT", "no optimizer is called \"" + kind + "\"");
  }
  const std::vector<double> betas = doubles(options.Get("betas"), "betas");
  if (betas.size() != 2) throw CodedError("ERR_INVALID_ARGUMENT", "betas must be two numbers");
  return training::AdamW{betas[0], betas[1], number(options, "eps")};
}

std::vector<GroupOptions> to_groups(const Napi::Value& value) {
  std::vector<GroupOptions> groups;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Object group = array.Get(i).As<Napi::Object>();
    groups.push_back(
        {strings(group.Get("names"), "names"), number(group, "lr"), number(group, "weightDecay")});
  }
  return groups;
}

training::StepRules to_rules(const Napi::Object& options) {
  return {number_or_null(options, "clipNorm"), number_or_null(options, "clipValue"), false};
}

// The module's own tensors under the groups' names.
std::vector<training::ParameterGroup> find_parameters(const torch::jit::Module& module,
                                                      const std::vector<GroupOptions>& groups) {
  std::unordered_map<std::string, at::Tensor> parameters;
  for (const auto& entry : script::state_of(module)) {
    if (entry.is_parameter) parameters.emplace(entry.name, entry.tensor);
  }
  std::vector<training::ParameterGroup> result;
  for (const GroupOptions& group : groups) {
    training::ParameterGroup found{{}, group.learning_rate, group.weight_decay};
    for (const std::string& name : group.names) {
      const auto parameter = parameters.extract(name);
      if (parameter.empty()) {
        throw CodedError("ERR_INVALID_ARGUMENT", "the module has no parameter named \"" + name +
                                                     "\", or it is in two groups");
      }
      found.parameters.push_back({name, parameter.mapped()});
    }
    result.push_back(std::move(found));
  }
  return result;
}

// Gradients from elsewhere in place of those of a backward pass.
void set_gradients(training::Optimizer& optimizer,
                   const std::unordered_map<std::string, at::Tensor>& gradients) {
  std::unordered_map<std::string, at::Tensor> parameters;
  for (const auto& group : optimizer.groups()) {
    for (const auto& [name, parameter] : group.parameters) parameters.emplace(name, parameter);
  }
  optimizer.zero_grad();
  for (const auto& [name, gradient] : gradients) {
    const auto found = parameters.find(name);
    if (found == parameters.end() || found->second.sizes() != gradient.sizes()) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "the optimizer has no parameter \"" + name + "\" of the gradient's shape");
    }
    found->second.mutable_grad() = gradient.to(found->second.options()).clone();
  }
}

}  // namespace

Napi::Function OptimizerObject::define(Napi::Env env) {
  return DefineClass(env, "NativeOptimizer",
                     {
                         StaticMethod("create", &OptimizerObject::create),
                         InstanceMethod("setLearningRates", &OptimizerObject::set_learning_rates),
                         InstanceMethod("step", &OptimizerObject::step),
                         InstanceMethod("zeroGrad", &OptimizerObject::zero_grad),
                         InstanceMethod("stateDict", &OptimizerObject::state_dict),
                         InstanceMethod("loadState", &OptimizerObject::load_state),
                         InstanceMethod("dispose", &OptimizerObject::dispose),
                     });
}

OptimizerObject::OptimizerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  napi_type_tag_object(info.Env(), info.This(), &kOptimizerTag);
}

StatePtr OptimizerObject::unwrap(const Napi::Value& value) {
  bool ours = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &kOptimizerTag, &ours);
  if (!ours) throw CodedError("ERR_INVALID_ARGUMENT", "expected an optimizer");
  return Unwrap(value.As<Napi::Object>())->live();
}

const StatePtr& OptimizerObject::live() const {
  if (!state_) throw CodedError("ERR_DISPOSED", "The optimizer was disposed.");
  return state_;
}

void OptimizerObject::dispose(const Napi::CallbackInfo&) { state_.reset(); }

Napi::Value OptimizerObject::create(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto module = ModuleObject::unwrap(info[0]);
    const Napi::Object options = info[1].As<Napi::Object>();
    return run_on_device(
        Environment::of(info.Env()), module->device,
        [module, rule = to_rule(options),
         groups = to_groups(options.Get("groups"))](const Checkpoint&) {
          return StatePtr(new OptimizerState{
              module, training::Optimizer(rule, find_parameters(module->module, groups))});
        },
        [](Napi::Env env, const StatePtr& state) -> Napi::Value {
          const Napi::Object object = Environment::of(env).optimizer_class.New({});
          Unwrap(object)->state_ = state;
          return object;
        },
        {"ERR_INVALID_ARGUMENT", {}, {}});
  });
}

Napi::Value OptimizerObject::set_learning_rates(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), rates = doubles(info[0], "learning rates")](const Checkpoint&) {
          state->optimizer.set_learning_rates(rates);
          return Done{};
        },
        done_to_js, {"ERR_INVALID_ARGUMENT", {}, {}});
  });
}

Napi::Value OptimizerObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), gradients = to_named_tensors(info[0]),
         rules = to_rules(info[1].As<Napi::Object>())](const Checkpoint&) {
          set_gradients(state->optimizer, gradients);
          const training::StepOutcome outcome = state->optimizer.step(rules);
          ++state->module->version;
          return outcome;
        },
        [](Napi::Env env, const training::StepOutcome& outcome) -> Napi::Value {
          Napi::Object result = Napi::Object::New(env);
          result.Set("gradNorm", outcome.grad_norm);
          result.Set("stepped", outcome.stepped);
          return result;
        });
  });
}

Napi::Value OptimizerObject::zero_grad(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live()](const Checkpoint&) {
          state->optimizer.zero_grad();
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value OptimizerObject::state_dict(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live()](const Checkpoint&) { return on_cpu(state->optimizer.state()); },
        named_tensors_to_js);
  });
}

Napi::Value OptimizerObject::load_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(Environment::of(info.Env()), live()->module->device,
                         [state = live(), values = to_named_tensors(info[0])](const Checkpoint&) {
                           state->optimizer.load_state(values);
                           return Done{};
                         },
                         done_to_js, {"ERR_STATE_DICT", {}, {}});
  });
}

}  // namespace torchdet::binding
