// Calls of registered operators by name, for TypeScript's `ops` and for tests.
#pragma once

#include <napi.h>

namespace torchdet::binding {

Napi::Value call_operator(const Napi::CallbackInfo& info);
Napi::Value operator_gradients(const Napi::CallbackInfo& info);

}  // namespace torchdet::binding
