#include "errors.h"

#include <c10/util/Exception.h>

#include <new>

#include "../detection/checks.h"
#include "../detection/types.h"

namespace torchdet::binding {
namespace {

Failure from_torch(const std::string& message, const std::string& fallback_code) {
  const bool memory = message.find("can't allocate memory") != std::string::npos ||
                      message.find("out of memory") != std::string::npos;
  return {memory ? "ERR_OUT_OF_MEMORY" : fallback_code, message};
}

}  // namespace

Failure to_failure(const std::exception_ptr& exception, const std::string& fallback_code) {
  try {
    std::rethrow_exception(exception);
  } catch (const CodedError& error) {
    return {error.code(), error.what()};
  } catch (const detection::ImageError& error) {
    return {"ERR_INVALID_ARGUMENT", error.what()};
  } catch (const detection::NotFiniteError& error) {
    return {"ERR_NOT_FINITE", error.what()};
  } catch (const c10::Error& error) {
    return from_torch(error.what_without_backtrace(), fallback_code);
  } catch (const std::bad_alloc&) {
    return {"ERR_OUT_OF_MEMORY", "The system refused the memory asked for."};
  } catch (const std::exception& error) {
    return from_torch(error.what(), fallback_code);
  } catch (...) {
    return {fallback_code, "An exception of an unknown kind was thrown in native code."};
  }
}

}  // namespace torchdet::binding
