#include "targets.h"

#include "calls.h"
#include "tensor.h"

namespace torchdet::binding {
namespace {

detection::Target to_target(const Napi::Value& value, const std::string& where) {
  if (!value.IsObject())
    throw CodedError("ERR_INVALID_ARGUMENT", where + " must be an object of tensors");
  const Napi::Object object = value.As<Napi::Object>();
  const auto tensor = [&](const char* name) {
    const Napi::Value given = object.Get(name);
    return given.IsUndefined() ? at::Tensor() : TensorObject::unwrap(given);
  };
  detection::Target target;
  target.boxes = tensor("boxes");
  target.labels = tensor("labels");
  target.masks = tensor("masks");
  target.keypoints = tensor("keypoints");
  const Napi::Value classes = object.Get("labelledClasses");
  if (!classes.IsUndefined()) target.labelled_classes = integers(classes, "labelledClasses");
  return target;
}

}  // namespace

std::vector<detection::Target> to_targets(const Napi::Value& list) {
  if (!list.IsArray()) throw CodedError("ERR_INVALID_ARGUMENT", "targets must be an array");
  const Napi::Array array = list.As<Napi::Array>();
  std::vector<detection::Target> targets;
  for (uint32_t i = 0; i < array.Length(); ++i)
    targets.push_back(to_target(array.Get(i), "targets[" + std::to_string(i) + "]"));
  return targets;
}

}  // namespace torchdet::binding
