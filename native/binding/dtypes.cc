#include "dtypes.h"

#include "errors.h"

namespace torchdet::binding {
namespace {

struct Entry {
  c10::ScalarType type;
  const char* name;
  napi_typedarray_type array;
};

constexpr Entry kEntries[] = {
    {c10::ScalarType::Float, "float32", napi_float32_array},
    {c10::ScalarType::Double, "float64", napi_float64_array},
    {c10::ScalarType::Half, "float16", napi_uint16_array},
    {c10::ScalarType::BFloat16, "bfloat16", napi_uint16_array},
    {c10::ScalarType::Char, "int8", napi_int8_array},
    {c10::ScalarType::Byte, "uint8", napi_uint8_array},
    {c10::ScalarType::Short, "int16", napi_int16_array},
    {c10::ScalarType::Int, "int32", napi_int32_array},
    {c10::ScalarType::Long, "int64", napi_bigint64_array},
    {c10::ScalarType::Bool, "bool", napi_uint8_array},
};

const Entry& entry_of(c10::ScalarType type) {
  for (const Entry& entry : kEntries) {
    if (entry.type == type) return entry;
  }
  throw CodedError("ERR_INVALID_ARGUMENT", std::string("tensors of type ") + c10::toString(type) +
                                               " cannot be handed to JavaScript");
}

}  // namespace

const char* dtype_name(c10::ScalarType type) { return entry_of(type).name; }

napi_typedarray_type array_type_of(c10::ScalarType type) { return entry_of(type).array; }

c10::ScalarType dtype_of(const std::string& name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return entry.type;
  }
  throw CodedError("ERR_INVALID_ARGUMENT", "unknown dtype \"" + name + "\"");
}

}  // namespace torchdet::binding
