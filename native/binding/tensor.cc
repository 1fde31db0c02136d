#include "tensor.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include "calls.h"
#include "dtypes.h"
#include "environment.h"

namespace torchdet::binding {
namespace {

// Marks our objects, so that an object of another addon is told apart from ours.
constexpr napi_type_tag kTensorTag = {0x746f726368646574, 0x74656e736f720001};

// JavaScript's integers; their bytes do not overflow either.
constexpr size_t kMost = size_t(1) << 53;

size_t element_count(const std::vector<int64_t>& shape) {
  size_t count = 1;
  for (const int64_t size : shape) {
    if (size < 0)
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "a tensor's shape cannot hold " + std::to_string(size));
    size_t product = 0;
    if (__builtin_mul_overflow(count, static_cast<size_t>(size), &product) || product > kMost) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "a tensor's shape cannot hold that many elements: at most 2^53");
    }
    count = product;
  }
  return count;
}

// Hands a tensor's memory to JavaScript as an ArrayBuffer that keeps the tensor alive; copies where
// the runtime forbids external buffers (Electron).
napi_value external_buffer(Napi::Env env, const at::Tensor& tensor) {
  // Node refuses more only after it took the memory over, and with it the finalizer.
  const size_t most = Environment::of(env).largest_array;
  if (tensor.nbytes() > most) {
    throw CodedError("ERR_INVALID_ARGUMENT", "a typed array holds at most " + std::to_string(most) +
                                                 " bytes here, the tensor has " +
                                                 std::to_string(tensor.nbytes()));
  }
  auto* keeper = new at::Tensor(tensor);
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(
      env, tensor.mutable_data_ptr(), tensor.nbytes(),
      [](napi_env, void*, void* hint) { delete static_cast<at::Tensor*>(hint); }, keeper, &buffer);
  if (status == napi_ok) return buffer;
  // Any other failure comes after the runtime took the keeper.
  if (status != napi_no_external_buffers_allowed) throw Napi::Error::New(env);
  delete keeper;
  Napi::ArrayBuffer copy = Napi::ArrayBuffer::New(env, tensor.nbytes());
  std::memcpy(copy.Data(), tensor.const_data_ptr(), tensor.nbytes());
  return copy;
}

}  // namespace

Napi::Function TensorObject::define(Napi::Env env) {
  return DefineClass(env, "NativeTensor",
                     {
                         StaticMethod("fromMemory", &TensorObject::from_memory),
                         StaticMethod("random", &TensorObject::random),
                         InstanceAccessor("shape", &TensorObject::shape, nullptr),
                         InstanceAccessor("dtype", &TensorObject::dtype, nullptr),
                         InstanceAccessor("device", &TensorObject::device, nullptr),
                         InstanceAccessor("byteLength", &TensorObject::byte_length, nullptr),
                         InstanceMethod("toTypedArray", &TensorObject::to_typed_array),
                         InstanceMethod("dispose", &TensorObject::dispose),
                     });
}

TensorObject::TensorObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  napi_type_tag_object(info.Env(), info.This(), &kTensorTag);
}

TensorObject::~TensorObject() { clear(); }

Napi::Object TensorObject::wrap(Napi::Env env, at::Tensor tensor) {
  const Napi::Object object = Environment::of(env).tensor_class.New({});
  Unwrap(object)->set(std::move(tensor));
  return object;
}

bool TensorObject::is_tensor(const Napi::Value& value) {
  if (!value.IsObject()) return false;
  bool ours = false;
  napi_check_object_type_tag(value.Env(), value, &kTensorTag, &ours);
  return ours;
}

at::Tensor TensorObject::unwrap(const Napi::Value& value) {
  if (!is_tensor(value)) throw CodedError("ERR_INVALID_ARGUMENT", "expected a tensor");
  return Unwrap(value.As<Napi::Object>())->live();
}

void TensorObject::set(at::Tensor tensor) {
  tensor_ = std::move(tensor);
  reported_ = tensor_.is_cpu() ? static_cast<int64_t>(tensor_.nbytes()) : 0;
  Napi::MemoryManagement::AdjustExternalMemory(Env(), reported_);
}

void TensorObject::clear() {
  if (!tensor_.defined()) return;
  tensor_.reset();
  Napi::MemoryManagement::AdjustExternalMemory(Env(), -reported_);
  reported_ = 0;
}

const at::Tensor& TensorObject::live() const {
  if (disposed_) throw CodedError("ERR_DISPOSED", "The tensor was disposed.");
  return tensor_;
}

Napi::Value TensorObject::from_memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const MemoryView memory = memory_of(info[0]);
    const c10::ScalarType type = dtype_of(info[1].ToString());
    const std::vector<int64_t> shape = integers(info[2], "shape");
    const size_t wanted = element_count(shape) * c10::elementSize(type);
    if (wanted != memory.byte_length) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "a " + std::string(dtype_name(type)) + " tensor of this shape takes " +
                           std::to_string(wanted) + " bytes, the memory has " +
                           std::to_string(memory.byte_length));
    }
    if (reinterpret_cast<uintptr_t>(memory.data) % c10::elementSize(type) != 0) {
      throw CodedError("ERR_INVALID_ARGUMENT", "the memory is not aligned to its elements of " +
                                                   std::to_string(c10::elementSize(type)) +
                                                   " bytes");
    }
    napi_ref reference = nullptr;
    napi_create_reference(env, info[0], 1, &reference);
    // The last tensor on this memory may go on any thread: the list brings the reference back to
    // JavaScript's.
    const auto release = [releases = Environment::of(env).releases(), reference](void*) {
      releases->add(reference);
    };
    return wrap(env, at::from_blob(memory.data, shape, release, at::TensorOptions().dtype(type)));
  });
}

Napi::Value TensorObject::random(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::string kind = info[0].ToString();
    const std::vector<int64_t> shape = integers(info[1], "shape");
    static_cast<void>(element_count(shape));
    // Of its own: LibTorch's is the whole process's, and a seeded step may be drawing from it.
    const at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(
        static_cast<uint64_t>(info[2].ToNumber().Int64Value()));
    return wrap(info.Env(), kind == "normal" ? at::randn(shape, generator, at::kFloat)
                                             : at::rand(shape, generator, at::kFloat));
  });
}

Napi::Value TensorObject::shape(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return to_array(info.Env(), live().sizes().vec()); });
}

Napi::Value TensorObject::dtype(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::String::New(info.Env(), dtype_name(live().scalar_type())); });
}

Napi::Value TensorObject::device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), live().device().str()); });
}

Napi::Value TensorObject::byte_length(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(live().nbytes()));
  });
}

Napi::Value TensorObject::to_typed_array(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    at::Tensor tensor = live().detach();
    if (info[0].IsNumber()) tensor = tensor[info[0].ToNumber().Int64Value()];
    if (!tensor.is_cpu()) tensor = tensor.cpu();
    if (!tensor.is_contiguous()) {
      tensor = tensor.contiguous();
    }
    napi_value buffer = tensor.numel() == 0
                            ? static_cast<napi_value>(Napi::ArrayBuffer::New(env, 0))
                            : external_buffer(env, tensor);
    napi_value array = nullptr;
    if (napi_create_typedarray(env, array_type_of(tensor.scalar_type()),
                               static_cast<size_t>(tensor.numel()), buffer, 0, &array) != napi_ok) {
      throw Napi::Error::New(env);
    }
    return Napi::Value(env, array);
  });
}

void TensorObject::dispose(const Napi::CallbackInfo&) {
  disposed_ = true;
  clear();
}

}  // namespace torchdet::binding
