// Errors on their way from C++ to JavaScript: a TorchdetError with a code, made of the class that
// lib/ hands over at initialisation. A native exception never ends the process: everything that can
// throw runs inside to_failure or a Napi call.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>

namespace torchdet::binding {

// Thrown by binding code that knows the code of its error.
class CodedError : public std::runtime_error {
 public:
  CodedError(std::string code, const std::string& message)
      : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

// What went wrong, free of JavaScript: made on any thread, turned into an Error on JavaScript's.
struct Failure {
  std::string code;
  std::string message;
};

// Translates any exception: CodedError keeps its code, LibTorch's own become `fallback_code`
// (out-of-memory apart), without their C++ stack traces.
Failure to_failure(const std::exception_ptr& exception,
                   const std::string& fallback_code = "ERR_NATIVE");

}  // namespace torchdet::binding
