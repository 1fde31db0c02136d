#include "quantized.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/quantize_per_tensor.h>

#include "kernels.h"

namespace torchdet::ops {

namespace {

at::Tensor real(const at::Tensor& tensor) {
  return tensor.is_quantized() ? tensor.dequantize() : tensor;
}

at::Tensor nms_quantized(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  return cpu::nms(real(boxes), real(scores), iou_threshold);
}

// The result has the scale and zero point of the input: a mean of its values cannot leave their
// range.
at::Tensor roi_align_quantized(const at::Tensor& input, const at::Tensor& rois,
                               double spatial_scale, int64_t pooled_height, int64_t pooled_width,
                               int64_t sampling_ratio, bool aligned) {
  TORCH_CHECK(input.is_quantized() && input.qscheme() == at::kPerTensorAffine,
              "roi_align: a quantized map must be quantized per tensor");
  const at::Tensor pooled = cpu::roi_align(real(input), real(rois), spatial_scale, pooled_height,
                                           pooled_width, sampling_ratio, aligned);
  return at::quantize_per_tensor(pooled, input.q_scale(), input.q_zero_point(),
                                 input.scalar_type());
}

}  // namespace

void register_quantized(torch::Library& library) {
  library.impl("nms", TORCH_FN(nms_quantized));
  library.impl("roi_align", TORCH_FN(roi_align_quantized));
}

}  // namespace torchdet::ops
