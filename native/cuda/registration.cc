// Registers the operators for CUDA tensors when this library is loaded; the addon, which is loaded
// before, has defined their schemas, their autograd and their autocast. The registrations live as
// long as the process. A process that has torchvision's own keeps those.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "implementations.h"
#include "recording.h"

namespace torchdet::cuda {

namespace {

torch::Library library(const char* name) {
  return torch::Library(torch::Library::IMPL, name, c10::DispatchKey::CUDA, __FILE__, __LINE__);
}

class Registration {
 public:
  Registration() {
    static auto additions = library("torchdet");
    implement_additions(additions);
    implement_recordings(additions);
    const auto present = c10::Dispatcher::singleton().findSchema({"torchvision::nms", ""});
    if (present && present->hasKernelForDispatchKey(c10::DispatchKey::CUDA)) return;
    static auto operators = library("torchvision");
    implement_operators(operators);
  }
};

[[maybe_unused]] const Registration registration;

}  // namespace

}  // namespace torchdet::cuda
