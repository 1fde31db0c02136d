// TorchScript values from JavaScript and back. Conversion to TorchScript follows the type the
// callee declares, since a JavaScript number may be an int or a float. Both directions run on
// JavaScript's thread.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <napi.h>

#include <vector>

namespace torchdet::binding {

c10::IValue to_ivalue(const Napi::Value& value, const c10::Type& type, const std::string& where);
Napi::Value to_js(Napi::Env env, const c10::IValue& value);

// Arguments in the schema's order from its `first` parameter on; missing ones take their defaults.
std::vector<c10::IValue> to_arguments(const Napi::Value& list, const c10::FunctionSchema& schema,
                                      size_t first);

}  // namespace torchdet::binding
