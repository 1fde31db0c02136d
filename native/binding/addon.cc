// The addon's exports, one set for each JavaScript environment that loads it.
#include <ATen/Context.h>
#include <ATen/Version.h>
#include <napi.h>
#include <torch/version.h>

#include "../memory/allocator.h"
#include "augment.h"
#include "calls.h"
#include "cancel_token.h"
#include "detector.h"
#include "ema.h"
#include "environment.h"
#include "evaluation.h"
#include "module.h"
#include "operators.h"
#include "optimizer.h"
#include "process_group.h"
#include "tensor.h"

namespace torchdet::binding {
namespace {

Napi::Value initialize(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::of(info.Env());
  environment.set_error_class(info[0].As<Napi::Function>());
  environment.largest_array = static_cast<size_t>(info[1].ToNumber().Int64Value());
  return info.Env().Undefined();
}

Napi::Value prepare_exit(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).prepare_exit();
  return info.Env().Undefined();
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int threads = info[0].ToNumber().Int32Value();
    if (threads < 1) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "threads must be at least 1, got " + std::to_string(threads));
    }
    Environment::of(info.Env()).set_threads(threads);
    return info.Env().Undefined();
  });
}

Napi::Value cuda_device_count(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const bool there = at::hasCUDA();
    return Napi::Number::New(
        info.Env(), there ? static_cast<double>(at::detail::getCUDAHooks().deviceCount()) : 0);
  });
}

Napi::Object make_exports(Napi::Env env, Napi::Object exports) {
  memory::install_allocator();
  auto environment = std::make_unique<Environment>(env);
  const auto keep = [&](const char* name, const Napi::Function& constructor) {
    exports.Set(name, constructor);
    return Napi::Persistent(constructor);
  };
  environment->tensor_class = keep("Tensor", TensorObject::define(env));
  environment->module_class = keep("Module", ModuleObject::define(env));
  environment->cancel_token_class = keep("CancelToken", CancelTokenObject::define(env));
  environment->optimizer_class = keep("Optimizer", OptimizerObject::define(env));
  environment->ema_class = keep("Ema", EmaObject::define(env));
  environment->process_group_class = keep("ProcessGroup", ProcessGroupObject::define(env));
  exports.Set("Detector", DetectorObject::define(env));
  env.SetInstanceData(environment.release());

  exports.Set("torchVersion", TORCH_VERSION);
  exports.Set("initialize", Napi::Function::New(env, initialize, "initialize"));
  exports.Set("prepareExit", Napi::Function::New(env, prepare_exit, "prepareExit"));
  exports.Set("setThreads", Napi::Function::New(env, set_threads, "setThreads"));
  exports.Set("cudaDeviceCount", Napi::Function::New(env, cuda_device_count, "cudaDeviceCount"));
  exports.Set("augment", Napi::Function::New(env, augment_pixels, "augment"));
  exports.Set("callOperator", Napi::Function::New(env, call_operator, "callOperator"));
  exports.Set("operatorGradients",
              Napi::Function::New(env, operator_gradients, "operatorGradients"));
  exports.Set("evaluateDetections",
              Napi::Function::New(env, evaluate_detections, "evaluateDetections"));
  exports.Set("confuseDetections",
              Napi::Function::New(env, confuse_detections, "confuseDetections"));
  return exports;
}

}  // namespace
}  // namespace torchdet::binding

static Napi::Object initialize_addon(Napi::Env env, Napi::Object exports) {
  return torchdet::binding::make_exports(env, exports);
}

NODE_API_MODULE(torchdet, initialize_addon)
