// The same functions as operators for CPU tensors, as torchdet_host::nms and so on, for the tests.
// The addon must be loaded before: the schemas are those it has defined.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <string>

#include "../implementations.h"

namespace torchdet::cuda {

namespace {

constexpr const char* kNamespace = "torchdet_host";

void define_like(torch::Library& library, const std::string& original) {
  const std::string name = original.substr(original.find("::"));
  const auto found = c10::Dispatcher::singleton().findSchemaOrThrow(original.c_str(), "");
  library.def(found.schema().cloneWithName(kNamespace + name, ""));
}

class Registration {
 public:
  Registration() {
    static torch::Library schemas(torch::Library::DEF, kNamespace, std::nullopt, __FILE__,
                                  __LINE__);
    for (const char* name :
         {"nms", "roi_align", "_roi_align_backward", "roi_pool", "_roi_pool_backward",
          "ps_roi_align", "_ps_roi_align_backward", "ps_roi_pool", "_ps_roi_pool_backward",
          "deform_conv2d", "_deform_conv2d_backward"}) {
      define_like(schemas, std::string("torchvision::") + name);
    }
    for (const char* name : {"suppress_segments", "pool_levels", "fill_batch"}) {
      define_like(schemas, std::string("torchdet::") + name);
    }
    static torch::Library kernels(torch::Library::IMPL, kNamespace, c10::DispatchKey::CPU, __FILE__,
                                  __LINE__);
    implement_operators(kernels);
    implement_additions(kernels);
  }
};

[[maybe_unused]] const Registration registration;

}  // namespace

}  // namespace torchdet::cuda
