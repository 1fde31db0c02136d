#include "calls.h"

namespace torchdet::binding {
namespace {

template <typename Element, typename Read>
std::vector<Element> read_array(const Napi::Value& value, const char* what, Read read) {
  if (!value.IsArray())
    throw CodedError("ERR_INVALID_ARGUMENT", std::string(what) + " must be an array");
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<Element> result;
  result.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) result.push_back(read(array.Get(i)));
  return result;
}

double number(const Napi::Value& value, const char* what) {
  if (!value.IsNumber())
    throw CodedError("ERR_INVALID_ARGUMENT", std::string(what) + " must hold numbers");
  return value.As<Napi::Number>().DoubleValue();
}

}  // namespace

std::vector<int64_t> integers(const Napi::Value& value, const char* what) {
  return read_array<int64_t>(value, what, [what](const Napi::Value& item) {
    return static_cast<int64_t>(number(item, what));
  });
}

std::vector<double> doubles(const Napi::Value& value, const char* what) {
  return read_array<double>(value, what,
                            [what](const Napi::Value& item) { return number(item, what); });
}

std::vector<std::string> strings(const Napi::Value& value, const char* what) {
  return read_array<std::string>(value, what, [what](const Napi::Value& item) {
    if (!item.IsString())
      throw CodedError("ERR_INVALID_ARGUMENT", std::string(what) + " must hold strings");
    return item.As<Napi::String>().Utf8Value();
  });
}

Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(values[i])));
  }
  return array;
}

MemoryView memory_of(const Napi::Value& value) {
  if (value.IsTypedArray()) {
    const Napi::TypedArray array = value.As<Napi::TypedArray>();
    return {static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset(),
            array.ByteLength()};
  }
  if (value.IsDataView()) {
    const Napi::DataView view = value.As<Napi::DataView>();
    return {static_cast<uint8_t*>(view.ArrayBuffer().Data()) + view.ByteOffset(),
            view.ByteLength()};
  }
  throw CodedError("ERR_INVALID_ARGUMENT", "expected a Buffer, typed array or DataView");
}

}  // namespace torchdet::binding
