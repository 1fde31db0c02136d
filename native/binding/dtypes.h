// Names of element types, as binding.d.ts has them, and the typed arrays they come as.
#pragma once

#include <c10/core/ScalarType.h>
#include <napi.h>

#include <string>

namespace torchdet::binding {

const char* dtype_name(c10::ScalarType type);
c10::ScalarType dtype_of(const std::string& name);
napi_typedarray_type array_type_of(c10::ScalarType type);

}  // namespace torchdet::binding
