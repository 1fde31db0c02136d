// Registers the operators under torchvision's names and schemas, when the library that holds this
// file is loaded. The registrations live as long as the process. A process that has the operators
// already (torchvision itself) keeps its own.
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "autograd.h"
#include "kernels.h"
#include "operators.h"
#include "quantized.h"

namespace torchdet::ops {

namespace {

void define_schemas(torch::Library& m) {
  m.def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
  m.def(
      "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt "
      "pooled_width, int sampling_ratio, bool aligned) -> Tensor");
  m.def(
      "_roi_align_backward(Tensor grad, Tensor rois, float spatial_scale, SymInt pooled_height, "
      "SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, SymInt width, int "
      "sampling_ratio, bool aligned) -> Tensor");
  m.def(
      "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt "
      "pooled_width) -> (Tensor, Tensor)");
  m.def(
      "_roi_pool_backward(Tensor grad, Tensor rois, Tensor argmax, float spatial_scale, SymInt "
      "pooled_height, SymInt pooled_width, SymInt batch_size, SymInt channels, SymInt height, "
      "SymInt width) -> Tensor");
  m.def(
      "ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt "
      "pooled_width, int sampling_ratio) -> (Tensor, Tensor)");
  m.def(
      "_ps_roi_align_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float "
      "spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, SymInt "
      "batch_size, SymInt channels, SymInt height, SymInt width) -> Tensor");
  m.def(
      "ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt "
      "pooled_width) -> (Tensor, Tensor)");
  m.def(
      "_ps_roi_pool_backward(Tensor grad, Tensor rois, Tensor channel_mapping, float "
      "spatial_scale, SymInt pooled_height, SymInt pooled_width, SymInt batch_size, SymInt "
      "channels, SymInt height, SymInt width) -> Tensor");
  m.def(
      "deform_conv2d(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt "
      "stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt "
      "dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> Tensor");
  m.def(
      "_deform_conv2d_backward(Tensor grad, Tensor input, Tensor weight, Tensor offset, Tensor "
      "mask, Tensor bias, SymInt stride_h, SymInt stride_w, SymInt pad_h, SymInt pad_w, SymInt "
      "dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, bool use_mask) -> "
      "(Tensor, Tensor, Tensor, Tensor, Tensor)");
}

void register_cpu(torch::Library& m) {
  m.impl("nms", TORCH_FN(cpu::nms));
  m.impl("roi_align", TORCH_FN(cpu::roi_align));
  m.impl("_roi_align_backward", TORCH_FN(cpu::roi_align_backward));
  m.impl("roi_pool", TORCH_FN(cpu::roi_pool));
  m.impl("_roi_pool_backward", TORCH_FN(cpu::roi_pool_backward));
  m.impl("ps_roi_align", TORCH_FN(cpu::ps_roi_align));
  m.impl("_ps_roi_align_backward", TORCH_FN(cpu::ps_roi_align_backward));
  m.impl("ps_roi_pool", TORCH_FN(cpu::ps_roi_pool));
  m.impl("_ps_roi_pool_backward", TORCH_FN(cpu::ps_roi_pool_backward));
  m.impl("deform_conv2d", TORCH_FN(cpu::deform_conv2d));
  m.impl("_deform_conv2d_backward", TORCH_FN(cpu::deform_conv2d_backward));
}

torch::Library library(torch::Library::Kind kind, const char* name,
                       std::optional<c10::DispatchKey> key = std::nullopt) {
  return torch::Library(kind, name, key, __FILE__, __LINE__);
}

// Callable by name as well, from scripts and from JavaScript; they are made of the operators above.
at::Tensor pool_pyramid(std::vector<at::Tensor> maps, const at::Tensor& rois,
                        const at::Tensor& levels, std::vector<double> scales, int64_t pooled_height,
                        int64_t pooled_width, int64_t sampling_ratio) {
  return multiscale_roi_align(maps, rois, levels, scales, pooled_height, pooled_width,
                              sampling_ratio);
}

void define_composites(torch::Library& m) {
  m.def("batched_nms(Tensor boxes, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor",
        TORCH_FN(batched_nms));
  m.def(
      "multiscale_roi_align(Tensor[] maps, Tensor rois, Tensor levels, float[] scales, int "
      "pooled_height, int pooled_width, int sampling_ratio) -> Tensor",
      TORCH_FN(pool_pyramid));
  // For detection without waiting for a device: results of fixed sizes. The CUDA kernels of these
  // are the second library's (native/cuda).
  m.def("suppress_segments(Tensor boxes, Tensor? counts, float iou_threshold) -> Tensor");
  m.def(
      "pool_levels(Tensor[] maps, Tensor rois, Tensor levels, float[] scales, int pooled_height, "
      "int pooled_width, int sampling_ratio) -> Tensor");
  m.def(
      "fill_batch(Tensor packed, int images, int height, int width, float[] mean, float[] std, "
      "int[] source) -> Tensor");
}

at::Tensor pool_levels_on_cpu(at::TensorList maps, const at::Tensor& rois, const at::Tensor& levels,
                              at::ArrayRef<double> scales, int64_t pooled_height,
                              int64_t pooled_width, int64_t sampling_ratio) {
  return cpu::multiscale_roi_align(maps.vec(), rois, levels, scales.vec(), pooled_height,
                                   pooled_width, sampling_ratio);
}

void register_additions_for_cpu(torch::Library& m) {
  m.impl("suppress_segments", TORCH_FN(cpu::suppress_segments));
  m.impl("pool_levels", TORCH_FN(pool_levels_on_cpu));
}

class Registration {
 public:
  Registration() {
    static auto composites = library(torch::Library::DEF, "torchdet");
    define_composites(composites);
    static auto additions = library(torch::Library::IMPL, "torchdet", c10::DispatchKey::CPU);
    register_additions_for_cpu(additions);
    if (c10::Dispatcher::singleton().findSchema({"torchvision::nms", ""}).has_value()) return;
    static auto schemas = library(torch::Library::FRAGMENT, "torchvision");
    static auto cpu_kernels = library(torch::Library::IMPL, "torchvision", c10::DispatchKey::CPU);
    static auto gradients =
        library(torch::Library::IMPL, "torchvision", c10::DispatchKey::Autograd);
    static auto autocast =
        library(torch::Library::IMPL, "torchvision", c10::DispatchKey::AutocastCPU);
    static auto cuda_autocast =
        library(torch::Library::IMPL, "torchvision", c10::DispatchKey::AutocastCUDA);
    static auto quantized =
        library(torch::Library::IMPL, "torchvision", c10::DispatchKey::QuantizedCPU);
    define_schemas(schemas);
    register_cpu(cpu_kernels);
    register_autograd(gradients);
    register_autocast(autocast);
    register_cuda_autocast(cuda_autocast);
    register_quantized(quantized);
  }
};

[[maybe_unused]] const Registration registration;

}  // namespace

}  // namespace torchdet::ops
