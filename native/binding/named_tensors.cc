#include "named_tensors.h"

#include "errors.h"
#include "tensor.h"

namespace torchdet::binding {

std::unordered_map<std::string, at::Tensor> to_named_tensors(const Napi::Value& record) {
  if (!record.IsObject()) throw CodedError("ERR_INVALID_ARGUMENT", "expected tensors by name");
  const Napi::Object object = record.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  std::unordered_map<std::string, at::Tensor> tensors;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    tensors.emplace(name, TensorObject::unwrap(object.Get(name)));
  }
  return tensors;
}

std::vector<training::NamedTensor> on_cpu(std::vector<training::NamedTensor> tensors) {
  for (auto& [name, tensor] : tensors) tensor = tensor.detach().cpu();
  return tensors;
}

Napi::Value named_tensors_to_js(Napi::Env env, const std::vector<training::NamedTensor>& tensors) {
  Napi::Object record = Napi::Object::New(env);
  for (const auto& [name, tensor] : tensors) record.Set(name, TensorObject::wrap(env, tensor));
  return record;
}

}  // namespace torchdet::binding
