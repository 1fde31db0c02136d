// Evaluation of detections over packed arrays, on the CPU's thread.
#pragma once

#include <napi.h>

namespace torchdet::binding {

Napi::Value evaluate_detections(const Napi::CallbackInfo& info);
Napi::Value confuse_detections(const Napi::CallbackInfo& info);

}  // namespace torchdet::binding
