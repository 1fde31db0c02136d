#include "roi_checks.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/arange.h>
#include <c10/util/irange.h>

namespace torchdet::ops {

namespace {

void check_common(const char* name, const at::Tensor& values, const at::Tensor& rois,
                  int64_t pooled_height, int64_t pooled_width) {
  TORCH_CHECK(rois.dim() == 2 && rois.size(1) == 5, name,
              ": rois must be K x 5 (image index, x1, y1, x2, y2), got shape ", rois.sizes());
  TORCH_CHECK(values.scalar_type() == rois.scalar_type(), name,
              ": the feature map and the rois must have the same dtype, got ", values.scalar_type(),
              " and ", rois.scalar_type());
  TORCH_CHECK(values.is_floating_point(), name, ": the feature map must be floating point, got ",
              values.scalar_type());
  TORCH_CHECK(values.device() == rois.device(), name,
              ": the feature map and the rois must be on one device, got ", values.device(),
              " and ", rois.device());
  TORCH_CHECK(pooled_height > 0 && pooled_width > 0, name,
              ": the pooled size must be positive, got ", pooled_height, " x ", pooled_width);
}

}  // namespace

void check_rois(const char* name, const at::Tensor& input, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width) {
  TORCH_CHECK(input.dim() == 4, name, ": input must be N x C x H x W, got shape ", input.sizes());
  check_common(name, input, rois, pooled_height, pooled_width);
  TORCH_CHECK(rois.size(0) == 0 || (input.size(2) > 0 && input.size(3) > 0), name,
              ": the feature map is empty, shape ", input.sizes());
}

void check_grad(const char* name, const at::Tensor& grad, const at::Tensor& rois,
                int64_t pooled_height, int64_t pooled_width, int64_t channels) {
  check_common(name, grad, rois, pooled_height, pooled_width);
  TORCH_CHECK(grad.dim() == 4 && grad.size(0) == rois.size(0) && grad.size(1) == channels &&
                  grad.size(2) == pooled_height && grad.size(3) == pooled_width,
              name, ": grad must be ", rois.size(0), " x ", channels, " x ", pooled_height, " x ",
              pooled_width, ", got shape ", grad.sizes());
}

void check_companion(const char* name, const char* what, const at::Tensor& companion,
                     const at::Tensor& grad) {
  TORCH_CHECK(companion.scalar_type() == at::kInt && companion.sizes() == grad.sizes(), name, ": ",
              what, " must be int32 of grad's shape ", grad.sizes(), ", got ",
              companion.scalar_type(), " of shape ", companion.sizes());
}

void check_position_sensitive_grad(const char* name, const at::Tensor& grad, const at::Tensor& rois,
                                   const at::Tensor& mapping, int64_t pooled_height,
                                   int64_t pooled_width, int64_t channels) {
  check_grad(name, grad, rois, pooled_height, pooled_width,
             position_sensitive_channels(name, channels, pooled_height, pooled_width));
  check_companion(name, "channel_mapping", mapping, grad);
}

void check_image_indices(const char* name, const at::Tensor& rois, int64_t images) {
  AT_DISPATCH_FLOATING_TYPES(rois.scalar_type(), "check_image_indices", [&] {
    const scalar_t* data = rois.const_data_ptr<scalar_t>();
    for (const auto k : c10::irange(rois.size(0))) {
      const scalar_t index = data[k * 5];
      TORCH_CHECK(index > scalar_t(-1) && index < static_cast<scalar_t>(images), name, ": RoI ", k,
                  " names image ", index, ", but the batch has ", images);
    }
  });
}

int64_t position_sensitive_channels(const char* name, int64_t channels, int64_t pooled_height,
                                    int64_t pooled_width) {
  TORCH_CHECK(pooled_height > 0 && pooled_height <= channels && pooled_width > 0 &&
                  pooled_width <= channels,
              name, ": pooled height and width must be from 1 to the ", channels,
              " input channels, got ", pooled_height, " x ", pooled_width);
  const int64_t bins = pooled_height * pooled_width;
  TORCH_CHECK(channels % bins == 0, name,
              ": input channels must be a multiple of pooled height x width (", pooled_height,
              " x ", pooled_width, " = ", bins, "), got ", channels);
  return channels / bins;
}

at::Tensor channel_mapping(const at::Tensor& output) {
  const int64_t channels = output.size(1) * output.size(2) * output.size(3);
  return at::arange(channels, output.options().dtype(at::kInt))
      .view({1, output.size(1), output.size(2), output.size(3)})
      .expand(output.sizes())
      .contiguous();
}

at::Tensor float_if_half(const at::Tensor& tensor) {
  return at::isReducedFloatingType(tensor.scalar_type()) ? tensor.to(at::kFloat) : tensor;
}

}  // namespace torchdet::ops
