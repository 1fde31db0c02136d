// Tensors by name between JavaScript and training code: state dicts and gradients.
#pragma once

#include <napi.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "../training/optimizer.h"

namespace torchdet::binding {

std::unordered_map<std::string, at::Tensor> to_named_tensors(const Napi::Value& record);

std::vector<training::NamedTensor> on_cpu(std::vector<training::NamedTensor> tensors);
// On JavaScript's thread; the tensors share memory.
Napi::Value named_tensors_to_js(Napi::Env env, const std::vector<training::NamedTensor>& tensors);

}  // namespace torchdet::binding
