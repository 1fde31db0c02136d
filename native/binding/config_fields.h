// Reads the fields of a configuration from a JavaScript object, and writes them: Reader and Writer
// have the same methods, so that one description of a struct's fields (detection_config.cc) serves
// both directions. Both live for one call.
#pragma once

#include <napi.h>

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "calls.h"

namespace torchdet::binding {

// The words an enumeration has in JavaScript.
template <typename Enum>
using Choices = std::vector<std::pair<const char*, Enum>>;

class Reader {
 public:
  explicit Reader(const Napi::Value& value, std::string where) : where_(std::move(where)) {
    if (!value.IsObject()) throw CodedError("ERR_INVALID_ARGUMENT", where_ + " must be an object");
    object_ = value.As<Napi::Object>();
  }

  void field(const char* name, double& target) { target = value(name).ToNumber().DoubleValue(); }
  void field(const char* name, int64_t& target) { target = value(name).ToNumber().Int64Value(); }
  void field(const char* name, std::vector<double>& target) { target = doubles(value(name), name); }
  void field(const char* name, std::vector<int64_t>& target) {
    target = integers(value(name), name);
  }
  void field(const char* name, std::vector<std::string>& target) {
    target = strings(value(name), name);
  }

  void field(const char* name, std::vector<std::vector<double>>& target) {
    const Napi::Array array = value(name).As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) target.push_back(doubles(array.Get(i), name));
  }

  template <size_t N>
  void field(const char* name, std::array<int64_t, N>& target) {
    const auto values = integers(value(name), name);
    check_length(name, values.size(), N);
    std::copy(values.begin(), values.end(), target.begin());
  }

  template <size_t N>
  void field(const char* name, std::array<double, N>& target) {
    const auto values = doubles(value(name), name);
    check_length(name, values.size(), N);
    std::copy(values.begin(), values.end(), target.begin());
  }

  void field(const char* name, bool& target) { target = value(name).ToBoolean(); }

  template <typename Value>
  void field(const char* name, std::optional<Value>& target) {
    if (is_null(name)) return;
    target.emplace();
    field(name, *target);
  }

  // A group of fields of its own; an optional one may be null.
  template <typename Config, typename Visit>
  void group(const char* name, Config& config, Visit visit) {
    Reader inner(value(name), where_ + "." + name);
    visit(inner, config);
  }
  template <typename Config, typename Visit>
  void group(const char* name, std::optional<Config>& config, Visit visit) {
    if (is_null(name)) return;
    config.emplace();
    group(name, *config, visit);
  }

  // One of some words.
  template <typename Enum>
  void choice(const char* name, Enum& target, const Choices<Enum>& choices) {
    const std::string word = value(name).ToString();
    for (const auto& [known, meaning] : choices) {
      if (word != known) continue;
      target = meaning;
      return;
    }
    throw CodedError("ERR_INVALID_ARGUMENT", where_ + "." + name + " is \"" + word + "\"");
  }

 private:
  bool is_null(const char* name) {
    const Napi::Value found = object_.Get(name);
    return found.IsNull() || found.IsUndefined();
  }

  Napi::Value value(const char* name) {
    const Napi::Value found = object_.Get(name);
    if (is_null(name))
      throw CodedError("ERR_INVALID_ARGUMENT", where_ + "." + name + " is missing");
    return found;
  }

  void check_length(const char* name, size_t length, size_t wanted) {
    if (length == wanted) return;
    throw CodedError("ERR_INVALID_ARGUMENT", where_ + "." + name + " must have " +
                                                 std::to_string(wanted) + " numbers, got " +
                                                 std::to_string(length));
  }

  Napi::Object object_;
  std::string where_;
};

class Writer {
 public:
  explicit Writer(Napi::Env env) : env_(env), object_(Napi::Object::New(env)) {}
  Napi::Object object() const { return object_; }

  template <typename Value>
  void field(const char* name, const Value& value) {
    object_.Set(name, to_js(value));
  }

  template <typename Config, typename Visit>
  void group(const char* name, Config& config, Visit visit) {
    Writer inner(env_);
    visit(inner, config);
    object_.Set(name, inner.object());
  }
  template <typename Config, typename Visit>
  void group(const char* name, std::optional<Config>& config, Visit visit) {
    if (config) {
      group(name, *config, visit);
    } else {
      object_.Set(name, env_.Null());
    }
  }

  template <typename Enum>
  void choice(const char* name, const Enum& value, const Choices<Enum>& choices) {
    for (const auto& [word, meaning] : choices) {
      if (meaning == value) object_.Set(name, word);
    }
  }

 private:
  Napi::Value to_js(bool value) { return Napi::Boolean::New(env_, value); }
  Napi::Value to_js(double value) { return Napi::Number::New(env_, value); }
  Napi::Value to_js(int64_t value) { return Napi::Number::New(env_, static_cast<double>(value)); }
  Napi::Value to_js(const std::string& value) { return Napi::String::New(env_, value); }

  template <typename Value>
  Napi::Value to_js(const std::optional<Value>& value) {
    return value ? to_js(*value) : env_.Null();
  }

  template <typename Values>
  Napi::Value to_js(const Values& values) {
    Napi::Array array = Napi::Array::New(env_, values.size());
    uint32_t index = 0;
    for (const auto& value : values) array.Set(index++, to_js(value));
    return array;
  }

  Napi::Env env_;
  Napi::Object object_;
};

}  // namespace torchdet::binding
