// The JavaScript object around a process group. Its collectives run on one device's thread, in the
// order of the calls; dispose() drops this object's share behind whatever is queued there.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <string>

namespace torchdet::distributed {
class ProcessGroup;
}

namespace torchdet::binding {

class ProcessGroupObject : public Napi::ObjectWrap<ProcessGroupObject> {
 public:
  struct State {
    std::string device;
    std::shared_ptr<distributed::ProcessGroup> group;
  };

  static Napi::Function define(Napi::Env env);
  // Null for null and undefined. Throws ERR_INVALID_ARGUMENT for other values and for a group of
  // another device, and ERR_DISPOSED for a disposed one.
  static std::shared_ptr<distributed::ProcessGroup> unwrap(const Napi::Value& value,
                                                           const std::string& device);

  explicit ProcessGroupObject(const Napi::CallbackInfo& info);

 private:
  static Napi::Value join(const Napi::CallbackInfo& info);
  static Napi::Value has_nccl(const Napi::CallbackInfo& info);

  Napi::Value synchronize(const Napi::CallbackInfo& info);
  Napi::Value all_gather(const Napi::CallbackInfo& info);
  Napi::Value barrier(const Napi::CallbackInfo& info);
  Napi::Value abandon(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  const State& live() const;

  State state_;
};

// Runs `work`, which is part of a group's collectives, and gives its errors their codes.
void with_group_codes(const std::function<void()>& work);

}  // namespace torchdet::binding
