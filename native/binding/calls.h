// Helpers every exported function shares: translating exceptions and reading arguments.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "environment.h"

namespace torchdet::binding {

// Runs `body` and throws what it throws as a TorchdetError.
template <typename Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw Environment::of(env).make_error(to_failure(std::current_exception()));
  }
}

std::vector<int64_t> integers(const Napi::Value& value, const char* what);
std::vector<double> doubles(const Napi::Value& value, const char* what);
std::vector<std::string> strings(const Napi::Value& value, const char* what);
Napi::Array to_array(Napi::Env env, const std::vector<int64_t>& values);
// Address, length in bytes and element size of a Buffer, typed array or DataView.
struct MemoryView {
  uint8_t* data;
  size_t byte_length;
};
MemoryView memory_of(const Napi::Value& value);

}  // namespace torchdet::binding
