// Training a detector, as JavaScript calls it.
#include "../detection/checks.h"
#include "../distributed/average.h"
#include "../training/step.h"
#include "calls.h"
#include "cancel_token.h"
#include "detector.h"
#include "detector_state.h"
#include "images.h"
#include "optimizer.h"
#include "optimizer_state.h"
#include "process_group.h"
#include "targets.h"

namespace torchdet::binding {
namespace {

using Checkpoint = std::function<void()>;

std::optional<uint64_t> to_seed(const Napi::Object& options) {
  const Napi::Value seed = options.Get("seed");
  if (seed.IsNull()) return std::nullopt;
  return static_cast<uint64_t>(seed.ToNumber().Int64Value());
}

std::optional<double> number_or_null(const Napi::Object& options, const char* name) {
  const Napi::Value value = options.Get(name);
  if (value.IsNull()) return std::nullopt;
  return value.ToNumber().DoubleValue();
}

training::Precision to_precision(const std::string& name) {
  if (name == "bfloat16") return training::Precision::kBfloat16;
  if (name == "float16") return training::Precision::kFloat16;
  return training::Precision::kFull;
}

training::StepOptions to_step_options(const Napi::Object& options) {
  training::StepOptions step;
  step.clip_norm = number_or_null(options, "clipNorm");
  step.clip_value = number_or_null(options, "clipValue");
  step.accumulate = options.Get("accumulate").ToBoolean();
  step.loss_scale = options.Get("lossScale").ToNumber().DoubleValue();
  step.precision = to_precision(options.Get("amp").ToString());
  return step;
}

// What is wrong with targets and losses has codes of its own.
template <typename Work>
auto with_codes(Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const detection::TargetError& error) {
    throw CodedError("ERR_TARGET", error.what());
  } catch (const detection::NotFiniteError& error) {
    throw CodedError("ERR_LOSS_NOT_FINITE", error.what());
  }
}

using Exchange = std::function<void(training::Optimizer&)>;

// What a step does with its gradients where others train along.
Exchange averaging(const std::shared_ptr<distributed::ProcessGroup>& group,
                   const Checkpoint& checkpoint) {
  if (!group) return {};
  return [group, checkpoint](training::Optimizer& optimizer) {
    with_group_codes([&] { distributed::average_gradients(*group, optimizer, checkpoint); });
  };
}

Napi::Object to_js(Napi::Env env, const training::LossValues& losses) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, value] : losses) object.Set(name, value);
  return object;
}

}  // namespace

Napi::Value DetectorObject::losses(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live_with_stages()->module->device,
        [state = live_with_stages(), images = to_images(info[0]), targets = to_targets(info[1]),
         seed = to_seed(info[2].As<Napi::Object>())](const Checkpoint& checkpoint) {
          return with_codes([&] { return state->measure(images, targets, seed, checkpoint); });
        },
        [](Napi::Env env, const training::LossValues& losses) -> Napi::Value {
          return to_js(env, losses);
        },
        {"ERR_NATIVE", CancelTokenObject::unwrap(info[3]), {info[0]}});
  });
}

Napi::Value DetectorObject::train_step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[3].As<Napi::Object>();
    const std::shared_ptr<OptimizerState> optimizer = OptimizerObject::unwrap(info[2]);
    if (optimizer->module != live_with_stages()->module) {
      throw CodedError("ERR_INVALID_ARGUMENT", "the optimizer is another detector's");
    }
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), optimizer, images = to_images(info[0]), targets = to_targets(info[1]),
         seed = to_seed(options), step = to_step_options(options),
         group = ProcessGroupObject::unwrap(options.Get("group"), live()->module->device)](
            const Checkpoint& checkpoint) {
          return with_codes([&] {
            return state->train_step(images, targets, optimizer->optimizer, seed, step, checkpoint,
                                     averaging(group, checkpoint));
          });
        },
        [](Napi::Env env, const training::StepResult& result) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          object.Set("losses", to_js(env, result.losses));
          object.Set("total", result.total);
          object.Set("gradNorm",
                     result.grad_norm ? Napi::Number::New(env, *result.grad_norm) : env.Null());
          object.Set("stepped", result.stepped);
          return object;
        },
        {"ERR_NATIVE", CancelTokenObject::unwrap(info[4]), {info[0]}});
  });
}

}  // namespace torchdet::binding
