#include "process_group.h"

#include <ATen/ops/empty.h>

#include <cstring>

#include "../distributed/average.h"
#include "../distributed/nccl.h"
#include "../distributed/process_group.h"
#include "../script/state.h"
#include "calls.h"
#include "cancel_token.h"
#include "module.h"
#include "module_state.h"

namespace torchdet::binding {
namespace {

constexpr napi_type_tag kProcessGroupTag = {0x746f726368646574, 0x67726f75700001};

using distributed::ProcessGroup;
using Checkpoint = std::function<void()>;
using GroupPtr = std::shared_ptr<ProcessGroup>;

distributed::Place to_place(const Napi::Object& options) {
  const auto text = [&](const char* name) { return options.Get(name).ToString().Utf8Value(); };
  const auto number = [&](const char* name) { return options.Get(name).ToNumber().Int64Value(); };
  distributed::Place place;
  place.rank = static_cast<int>(number("rank"));
  place.size = static_cast<int>(number("size"));
  place.host = text("host");
  place.port = static_cast<uint16_t>(number("port"));
  place.serves = options.Get("serves").ToBoolean();
  place.prefix = text("prefix");
  place.local_address = text("localAddress");
  place.connect_timeout = std::chrono::milliseconds(number("connectTimeout"));
  place.timeout = std::chrono::milliseconds(number("timeout"));
  place.nccl = options.Get("nccl").ToBoolean();
  return place;
}

std::vector<training::NamedTensor> tensors_of(const torch::jit::Module& module) {
  std::vector<training::NamedTensor> tensors;
  for (const auto& entry : script::state_of(module)) tensors.push_back({entry.name, entry.tensor});
  return tensors;
}

at::Tensor copy_of(const MemoryView& memory) {
  at::Tensor copy = at::empty({static_cast<int64_t>(memory.byte_length)}, at::kByte);
  if (memory.byte_length > 0) std::memcpy(copy.mutable_data_ptr(), memory.data, memory.byte_length);
  return copy;
}

}  // namespace

void with_group_codes(const std::function<void()>& work) {
  try {
    work();
  } catch (const distributed::PeerLostError& error) {
    throw CodedError("ERR_PEER_LOST", error.what());
  } catch (const distributed::GroupError& error) {
    throw CodedError("ERR_PROCESS_GROUP", error.what());
  }
}

Napi::Function ProcessGroupObject::define(Napi::Env env) {
  return DefineClass(env, "NativeProcessGroup",
                     {
                         StaticMethod("join", &ProcessGroupObject::join),
                         StaticMethod("hasNccl", &ProcessGroupObject::has_nccl),
                         InstanceMethod("synchronize", &ProcessGroupObject::synchronize),
                         InstanceMethod("allGather", &ProcessGroupObject::all_gather),
                         InstanceMethod("barrier", &ProcessGroupObject::barrier),
                         InstanceMethod("abandon", &ProcessGroupObject::abandon),
                         InstanceMethod("dispose", &ProcessGroupObject::dispose),
                     });
}

ProcessGroupObject::ProcessGroupObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  napi_type_tag_object(info.Env(), info.This(), &kProcessGroupTag);
}

GroupPtr ProcessGroupObject::unwrap(const Napi::Value& value, const std::string& device) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  bool ours = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &kProcessGroupTag, &ours);
  if (!ours) throw CodedError("ERR_INVALID_ARGUMENT", "expected a process group");
  const State& state = Unwrap(value.As<Napi::Object>())->live();
  // Collectives keep their order only on one thread.
  if (state.device != device) {
    throw CodedError("ERR_INVALID_ARGUMENT", "the process group was joined for device " +
                                                 state.device + ", the detector is on " + device);
  }
  return state.group;
}

const ProcessGroupObject::State& ProcessGroupObject::live() const {
  if (!state_.group) throw CodedError("ERR_DISPOSED", "The process group was disposed.");
  return state_;
}

void ProcessGroupObject::dispose(const Napi::CallbackInfo& info) {
  if (!state_.group) return;
  run_on_device(
      Environment::of(info.Env()), state_.device,
      [group = std::move(state_.group)](const Checkpoint&) {
        group->close("it was disposed");
        return Done{};
      },
      done_to_js);
}

Napi::Value ProcessGroupObject::has_nccl(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), distributed::nccl_is_there());
}

Napi::Value ProcessGroupObject::join(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = info[0].As<Napi::Object>();
    const std::string device = options.Get("device").ToString();
    return run_on_device(
        Environment::of(info.Env()), device,
        [place = to_place(options)](const Checkpoint& checkpoint) {
          GroupPtr group;
          with_group_codes([&] { group = ProcessGroup::join(place, checkpoint); });
          return group;
        },
        [device](Napi::Env env, const GroupPtr& group) -> Napi::Value {
          const Napi::Object object = Environment::of(env).process_group_class.New({});
          Unwrap(object)->state_ = {device, group};
          return object;
        },
        {"ERR_PROCESS_GROUP", CancelTokenObject::unwrap(info[1]), {}});
  });
}

Napi::Value ProcessGroupObject::synchronize(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto module = ModuleObject::unwrap(info[0]);
    return run_on_device(
        Environment::of(info.Env()), module->device,
        [module, group = unwrap(info.This(), module->device)](const Checkpoint& checkpoint) {
          ++module->version;
          with_group_codes([&] {
            distributed::copy_from_first(*group, tensors_of(module->module), checkpoint);
          });
          return Done{};
        },
        done_to_js, {"ERR_NATIVE", CancelTokenObject::unwrap(info[1]), {}});
  });
}

Napi::Value ProcessGroupObject::all_gather(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live().device,
        [group = live().group, own = copy_of(memory_of(info[0]))](const Checkpoint& checkpoint) {
          std::vector<at::Tensor> all;
          with_group_codes([&] { all = group->gather_bytes(own, checkpoint); });
          return all;
        },
        [](Napi::Env env, const std::vector<at::Tensor>& all) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, all.size());
          for (uint32_t i = 0; i < all.size(); ++i) {
            array.Set(i, Napi::Buffer<uint8_t>::Copy(env, all[i].const_data_ptr<uint8_t>(),
                                                     all[i].nbytes()));
          }
          return array;
        },
        {"ERR_NATIVE", CancelTokenObject::unwrap(info[1]), {}});
  });
}

Napi::Value ProcessGroupObject::barrier(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(Environment::of(info.Env()), live().device,
                         [group = live().group](const Checkpoint& checkpoint) {
                           with_group_codes([&] { group->barrier(checkpoint); });
                           return Done{};
                         },
                         done_to_js, {"ERR_NATIVE", CancelTokenObject::unwrap(info[0]), {}});
  });
}

Napi::Value ProcessGroupObject::abandon(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return run_on_device(
        Environment::of(info.Env()), live().device,
        [group = live().group, reason = info[0].ToString().Utf8Value()](const Checkpoint&) {
          group->abandon(reason);
          return Done{};
        },
        done_to_js);
  });
}

}  // namespace torchdet::binding
