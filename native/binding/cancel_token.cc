#include "cancel_token.h"

#include "errors.h"

namespace torchdet::binding {
namespace {

constexpr napi_type_tag kCancelTokenTag = {0x746f726368646574, 0x63616e63656c0001};

}  // namespace

Napi::Function CancelTokenObject::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {InstanceMethod("cancel", &CancelTokenObject::cancel)});
}

CancelTokenObject::CancelTokenObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  napi_type_tag_object(info.Env(), info.This(), &kCancelTokenTag);
}

std::shared_ptr<std::atomic<bool>> CancelTokenObject::unwrap(const Napi::Value& value) {
  if (value.IsUndefined() || value.IsNull()) return nullptr;
  bool ours = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &kCancelTokenTag, &ours);
  if (!ours) throw CodedError("ERR_INVALID_ARGUMENT", "expected a CancelToken");
  return Unwrap(value.As<Napi::Object>())->flag_;
}

void CancelTokenObject::cancel(const Napi::CallbackInfo&) { flag_->store(true); }

}  // namespace torchdet::binding
