// In what numbers a detector computes, as JavaScript asks for it.
#include <ATen/cpu/Utils.h>

#include "calls.h"
#include "cancel_token.h"
#include "detector.h"
#include "detector_state.h"
#include "images.h"
#include "module.h"

namespace torchdet::binding {
namespace {

using Checkpoint = std::function<void()>;
using script::ActivationRange;
using script::Calibration;
using script::Precision;

Precision to_precision(const std::string& name) {
  if (name == "float32") return Precision::kFloat32;
  if (name == "bfloat16") return Precision::kBfloat16;
  if (name == "float16") return Precision::kFloat16;
  if (name == "int8") return Precision::kInt8;
  throw CodedError("ERR_INVALID_ARGUMENT", "there is no precision " + name);
}

std::optional<Calibration> to_calibration(const Napi::Value& value) {
  if (!value.IsObject()) return std::nullopt;
  const Napi::Object object = value.As<Napi::Object>();
  Calibration calibration;
  calibration.weights = object.Get("weights").ToString();
  const Napi::Object parts = object.Get("parts").ToObject();
  const Napi::Array names = parts.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    const std::vector<double> ends = doubles(parts.Get(name), "the ranges of a calibration");
    auto& ranges = calibration.parts[name];
    for (size_t j = 0; j + 1 < ends.size(); j += 2) ranges.push_back({ends[j], ends[j + 1]});
  }
  return calibration;
}

Napi::Value calibration_to_js(Napi::Env env, const Calibration& calibration) {
  Napi::Object parts = Napi::Object::New(env);
  for (const auto& [name, ranges] : calibration.parts) {
    Napi::Array ends = Napi::Array::New(env, 2 * ranges.size());
    for (uint32_t i = 0; i < ranges.size(); ++i) {
      ends.Set(2 * i, ranges[i].low);
      ends.Set(2 * i + 1, ranges[i].high);
    }
    parts.Set(name, ends);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("weights", calibration.weights);
  result.Set("parts", parts);
  return result;
}

}  // namespace

Napi::Value DetectorObject::cpu_support(const Napi::CallbackInfo& info) {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto has = [&](const char* name) {
    const auto found = capabilities.find(name);
    return found != capabilities.end() && found->second.toBool();
  };
  Napi::Object support = Napi::Object::New(info.Env());
  // What LibTorch asks of a CPU before it calls oneDNN in bfloat16.
  support.Set("bfloat16", has("avx512_bw") && has("avx512_vl") && has("avx512_dq"));
  // Without these instructions oneDNN adds products of bytes in 16 bits, which overflow.
  support.Set("int8", has("avx512_vnni"));
  return support;
}

Napi::Value DetectorObject::observe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(Environment::of(info.Env()), live()->module->device,
                         [state = live(), images = to_images(info[0])](const Checkpoint& check) {
                           state->observe(images, check);
                           return Done{};
                         },
                         done_to_js, {"ERR_NATIVE", CancelTokenObject::unwrap(info[1]), {info[0]}});
  });
}

Napi::Value DetectorObject::calibration(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto method = info[0].ToString().Utf8Value() == "minMax"
                            ? script::RangeMethod::kMinMax
                            : script::RangeMethod::kMeanSquare;
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), method](const Checkpoint&) { return state->calibration(method); },
        calibration_to_js);
  });
}

Napi::Value DetectorObject::set_precision(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), precision = to_precision(info[0].ToString()),
         calibration = to_calibration(info[1])](const Checkpoint&) {
          state->set_precision(precision, calibration);
          return Done{};
        },
        done_to_js);
  });
}

Napi::Value DetectorObject::calibration_fits(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live()->module->device,
        [state = live(), calibration = to_calibration(info[0])](const Checkpoint&) {
          return calibration && state->calibration_fits(*calibration);
        },
        [](Napi::Env env, bool fits) -> Napi::Value { return Napi::Boolean::New(env, fits); });
  });
}

}  // namespace torchdet::binding
