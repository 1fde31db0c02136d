#include "values.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/jit_type.h>

#include "errors.h"
#include "tensor.h"

namespace torchdet::binding {
namespace {

[[noreturn]] void reject(const std::string& where, const c10::Type& type) {
  throw CodedError("ERR_INVALID_ARGUMENT", where + ": expected a value of type " + type.str());
}

c10::IValue list_from_js(const Napi::Value& value, const c10::Type& type,
                         const std::string& where) {
  if (!value.IsArray()) reject(where, type);
  const c10::TypePtr element = type.expectRef<c10::ListType>().getElementType();
  const Napi::Array array = value.As<Napi::Array>();
  c10::impl::GenericList list(element);
  for (uint32_t i = 0; i < array.Length(); ++i) {
    list.push_back(to_ivalue(array.Get(i), *element, where + "[" + std::to_string(i) + "]"));
  }
  return list;
}

c10::IValue dictionary_from_js(const Napi::Value& value, const c10::Type& type,
                               const std::string& where) {
  if (!value.IsObject()) reject(where, type);
  const auto& dict_type = type.expectRef<c10::DictType>();
  const Napi::Object object = value.As<Napi::Object>();
  const Napi::Array names = object.GetPropertyNames();
  c10::impl::GenericDict dictionary(dict_type.getKeyType(), dict_type.getValueType());
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).ToString();
    dictionary.insert(name,
                      to_ivalue(object.Get(name), *dict_type.getValueType(), where + "." + name));
  }
  return dictionary;
}

}  // namespace

c10::IValue to_ivalue(const Napi::Value& value, const c10::Type& type, const std::string& where) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return TensorObject::unwrap(value);
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      if (!value.IsNumber()) reject(where, type);
      return value.As<Napi::Number>().Int64Value();
    case c10::TypeKind::FloatType:
    case c10::TypeKind::NumberType:
      if (!value.IsNumber()) reject(where, type);
      return value.As<Napi::Number>().DoubleValue();
    case c10::TypeKind::BoolType:
      if (!value.IsBoolean()) reject(where, type);
      return value.As<Napi::Boolean>().Value();
    case c10::TypeKind::StringType:
      if (!value.IsString()) reject(where, type);
      return value.As<Napi::String>().Utf8Value();
    case c10::TypeKind::OptionalType:
      if (value.IsNull() || value.IsUndefined()) return c10::IValue();
      return to_ivalue(value, *type.expectRef<c10::OptionalType>().getElementType(), where);
    case c10::TypeKind::ListType:
      return list_from_js(value, type, where);
    case c10::TypeKind::DictType:
      return dictionary_from_js(value, type, where);
    default:
      reject(where, type);
  }
}

Napi::Value to_js(Napi::Env env, const c10::IValue& value) {
  if (value.isTensor())
    return value.toTensor().defined() ? Napi::Value(TensorObject::wrap(env, value.toTensor()))
                                      : env.Null();
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  if (value.isNone()) return env.Null();
  if (value.isList() || value.isTuple()) {
    const auto elements =
        value.isList() ? value.toListRef().vec() : value.toTupleRef().elements().vec();
    Napi::Array array = Napi::Array::New(env, elements.size());
    for (size_t i = 0; i < elements.size(); ++i)
      array.Set(static_cast<uint32_t>(i), to_js(env, elements[i]));
    return array;
  }
  if (value.isGenericDict()) {
    Napi::Object object = Napi::Object::New(env);
    for (const auto& entry : value.toGenericDict()) {
      object.Set(
          entry.key().isString() ? entry.key().toStringRef() : std::to_string(entry.key().toInt()),
          to_js(env, entry.value()));
    }
    return object;
  }
  throw CodedError("ERR_INVALID_ARGUMENT",
                   "a value of type " + value.type()->str() + " cannot be handed to JavaScript");
}

std::vector<c10::IValue> to_arguments(const Napi::Value& list, const c10::FunctionSchema& schema,
                                      size_t first) {
  if (!list.IsArray()) throw CodedError("ERR_INVALID_ARGUMENT", "arguments must be an array");
  const Napi::Array values = list.As<Napi::Array>();
  const auto& parameters = schema.arguments();
  const size_t wanted = parameters.size() - first;
  if (values.Length() > wanted) {
    throw CodedError("ERR_INVALID_ARGUMENT", schema.name() + " takes " + std::to_string(wanted) +
                                                 " arguments, got " +
                                                 std::to_string(values.Length()));
  }
  std::vector<c10::IValue> arguments;
  for (size_t i = 0; i < wanted; ++i) {
    const c10::Argument& parameter = parameters[first + i];
    if (i < values.Length()) {
      arguments.push_back(
          to_ivalue(values.Get(static_cast<uint32_t>(i)), *parameter.type(), parameter.name()));
    } else if (parameter.default_value()) {
      arguments.push_back(*parameter.default_value());
    } else {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       schema.name() + ": argument \"" + parameter.name() + "\" is missing");
    }
  }
  return arguments;
}

}  // namespace torchdet::binding
