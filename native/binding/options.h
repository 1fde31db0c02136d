// Plain C++ values from the option objects TypeScript has validated, and back. Every field of
// binding.d.ts must be there: a missing one is a fault of lib/, and says which.
#pragma once

#include <napi.h>

#include "../detection/config.h"
#include "../script/module_spec.h"

namespace torchdet::binding {

script::ModuleSpec to_module_spec(const Napi::Value& value);
detection::RcnnConfig to_rcnn_config(const Napi::Value& value);
Napi::Object to_js(Napi::Env env, const detection::RcnnConfig& config);

}  // namespace torchdet::binding
