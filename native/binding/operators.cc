#include "operators.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include "calls.h"
#include "tensor.h"
#include "values.h"

namespace torchdet::binding {
namespace {

c10::OperatorHandle find_operator(const std::string& name) {
  const auto handle = c10::Dispatcher::singleton().findSchema({name, ""});
  if (!handle)
    throw CodedError("ERR_INVALID_ARGUMENT", "no operator named \"" + name + "\" is registered");
  return *handle;
}

c10::IValue packed(torch::jit::Stack stack) {
  return stack.size() == 1 ? std::move(stack[0])
                           : c10::IValue(c10::ivalue::Tuple::create(std::move(stack)));
}

std::vector<c10::IValue> gradients(const c10::OperatorHandle& handle,
                                   std::vector<c10::IValue> stack, const at::Tensor& grad_output) {
  at::AutoGradMode enabled(true);
  std::vector<at::Tensor> leaves(stack.size());
  for (size_t i = 0; i < stack.size(); ++i) {
    if (!stack[i].isTensor() || !stack[i].toTensor().defined() ||
        !stack[i].toTensor().is_floating_point())
      continue;
    leaves[i] = stack[i].toTensor().detach().requires_grad_(true);
    stack[i] = leaves[i];
  }
  handle.callBoxed(stack);
  stack.at(0).toTensor().backward(grad_output);
  std::vector<c10::IValue> results;
  for (const at::Tensor& leaf : leaves) {
    results.push_back(leaf.defined() && leaf.grad().defined() ? c10::IValue(leaf.grad())
                                                              : c10::IValue());
  }
  return results;
}

}  // namespace

Napi::Value call_operator(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const c10::OperatorHandle handle = find_operator(info[0].ToString());
    auto arguments = to_arguments(info[1], handle.schema(), 0);
    return run_on_device(
        Environment::of(info.Env()), info[2].ToString(),
        [handle, arguments = std::move(arguments)](const std::function<void()>&) {
          c10::InferenceMode no_gradients;
          torch::jit::Stack stack = arguments;
          handle.callBoxed(stack);
          return packed(std::move(stack));
        },
        [](Napi::Env env, const c10::IValue& value) { return to_js(env, value); });
  });
}

Napi::Value operator_gradients(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const c10::OperatorHandle handle = find_operator(info[0].ToString());
    auto arguments = to_arguments(info[1], handle.schema(), 0);
    return run_on_device(
        Environment::of(info.Env()), info[3].ToString(),
        [handle, arguments = std::move(arguments), grad_output = TensorObject::unwrap(info[2])](
            const std::function<void()>&) { return gradients(handle, arguments, grad_output); },
        [](Napi::Env env, const std::vector<c10::IValue>& values) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, values.size());
          for (size_t i = 0; i < values.size(); ++i)
            array.Set(static_cast<uint32_t>(i), to_js(env, values[i]));
          return array;
        });
  });
}

}  // namespace torchdet::binding
