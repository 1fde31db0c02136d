// Plain C++ values from the option objects TypeScript has validated, and back. Every field of
// binding.d.ts must be there: a missing one is a fault of lib/, and says which.
#pragma once

#include <napi.h>

#include <optional>

#include "../detection/config.h"
#include "../script/module_spec.h"

namespace torchdet::binding {

script::ModuleSpec to_module_spec(const Napi::Value& value);
// Nothing for a module that runs through its own forward.
std::optional<detection::DetectionConfig> to_detection_config(const Napi::Value& value);
Napi::Object to_js(Napi::Env env, const detection::DetectionConfig& config);

}  // namespace torchdet::binding
