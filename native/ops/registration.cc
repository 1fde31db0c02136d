// Registers the operators under torchvision's names and schemas, when the library that holds this
// file is loaded. The registrations live as long as the process. A process that has the operators
// already (torchvision itself) keeps its own.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "kernels.h"

namespace torchdet::ops {

namespace {

void define_schemas(torch::Library& m) {
  m.def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
  m.def(
      "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt "
      "pooled_width, int sampling_ratio, bool aligned) -> Tensor");
}

void register_cpu(torch::Library& m) {
  m.impl("nms", TORCH_FN(cpu::nms));
  m.impl("roi_align", TORCH_FN(cpu::roi_align));
}

class Registration {
 public:
  Registration() {
    if (c10::Dispatcher::singleton().findSchema({"torchvision::nms", ""}).has_value()) return;
    static torch::Library schemas(torch::Library::FRAGMENT, "torchvision", std::nullopt, __FILE__,
                                  __LINE__);
    static torch::Library cpu_kernels(torch::Library::IMPL, "torchvision", c10::DispatchKey::CPU,
                                      __FILE__, __LINE__);
    define_schemas(schemas);
    register_cpu(cpu_kernels);
  }
};

[[maybe_unused]] const Registration registration;

}  // namespace

}  // namespace torchdet::ops
