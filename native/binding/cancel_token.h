// A flag JavaScript raises and running work looks at between its stages. Shared: the work keeps the
// flag alive by itself.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>

namespace torchdet::binding {

class CancelTokenObject : public Napi::ObjectWrap<CancelTokenObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // Null for undefined and null.
  static std::shared_ptr<std::atomic<bool>> unwrap(const Napi::Value& value);

  explicit CancelTokenObject(const Napi::CallbackInfo& info);

 private:
  void cancel(const Napi::CallbackInfo& info);

  std::shared_ptr<std::atomic<bool>> flag_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace torchdet::binding
