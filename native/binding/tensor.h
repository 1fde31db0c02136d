// The JavaScript object around an at::Tensor. It holds one reference on the tensor's memory until
// dispose() or collection; views handed out hold their own. Memory that came from JavaScript is
// held by the tensor's storage, and released on JavaScript's thread when the last tensor on it
// goes, whatever thread that happens on.
#pragma once

#include <ATen/core/Tensor.h>
#include <napi.h>

namespace torchdet::binding {

class TensorObject : public Napi::ObjectWrap<TensorObject> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object wrap(Napi::Env env, at::Tensor tensor);
  static bool is_tensor(const Napi::Value& value);
  // Throws ERR_INVALID_ARGUMENT for other values and ERR_DISPOSED for a disposed tensor.
  static at::Tensor unwrap(const Napi::Value& value);

  explicit TensorObject(const Napi::CallbackInfo& info);
  ~TensorObject() override;

 private:
  static Napi::Value from_memory(const Napi::CallbackInfo& info);
  static Napi::Value random(const Napi::CallbackInfo& info);

  Napi::Value shape(const Napi::CallbackInfo& info);
  Napi::Value dtype(const Napi::CallbackInfo& info);
  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value byte_length(const Napi::CallbackInfo& info);
  Napi::Value to_typed_array(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  void set(at::Tensor tensor);
  void clear();
  const at::Tensor& live() const;

  at::Tensor tensor_;
  bool disposed_ = false;
  int64_t reported_ = 0;  // bytes V8 was told of
};

}  // namespace torchdet::binding
