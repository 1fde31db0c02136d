#include <vector>

#include "deform_conv2d.h"

namespace torchdet::ops {

namespace {

int64_t out_size(int64_t size, int64_t pad, int64_t dilation, int64_t kernel, int64_t stride) {
  return (size + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1;
}

void check_dtypes(const at::Tensor& input, const char* name, const at::Tensor& other) {
  TORCH_CHECK(other.scalar_type() == input.scalar_type(),
              "deform_conv2d: all tensors must have the same dtype, got ", input.scalar_type(),
              " for input and ", other.scalar_type(), " for ", name);
}

}  // namespace

DeformShape check_deform(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask) {
  TORCH_CHECK(input.dim() == 4, "deform_conv2d: input must be N x C x H x W, got shape ",
              input.sizes());
  TORCH_CHECK(weight.dim() == 4,
              "deform_conv2d: weight must be out x (in / groups) x kh x kw, got shape ",
              weight.sizes());
  TORCH_CHECK(offset.dim() == 4,
              "deform_conv2d: offset must be N x (2 * offset groups * kh * kw) x h x w, got shape ",
              offset.sizes());
  TORCH_CHECK(input.is_floating_point(), "deform_conv2d: input must be floating point, got ",
              input.scalar_type());
  check_dtypes(input, "weight", weight);
  check_dtypes(input, "offset", offset);
  check_dtypes(input, "bias", bias);
  if (use_mask) check_dtypes(input, "mask", mask);
  TORCH_CHECK(stride_h > 0 && stride_w > 0, "deform_conv2d: stride must be positive, got ",
              stride_h, " x ", stride_w);
  TORCH_CHECK(pad_h >= 0 && pad_w >= 0, "deform_conv2d: padding must not be negative, got ", pad_h,
              " x ", pad_w);
  TORCH_CHECK(dilation_h > 0 && dilation_w > 0, "deform_conv2d: dilation must be positive, got ",
              dilation_h, " x ", dilation_w);
  TORCH_CHECK(groups > 0 && offset_groups > 0,
              "deform_conv2d: groups and offset groups must be positive, got ", groups, " and ",
              offset_groups);
  TORCH_CHECK(weight.size(2) > 0 && weight.size(3) > 0,
              "deform_conv2d: the kernel is empty, weight ", weight.sizes());
  TORCH_CHECK(weight.size(1) * groups == input.size(1), "deform_conv2d: weight ", weight.sizes(),
              " with ", groups, " groups needs an input of ", weight.size(1) * groups,
              " channels, got ", input.size(1));
  TORCH_CHECK(weight.size(0) % groups == 0, "deform_conv2d: output channels (", weight.size(0),
              ") must be a multiple of groups (", groups, ")");
  TORCH_CHECK(input.size(1) % offset_groups == 0, "deform_conv2d: input channels (", input.size(1),
              ") must be a multiple of offset groups (", offset_groups, ")");
  TORCH_CHECK(bias.dim() == 1 && bias.size(0) == weight.size(0), "deform_conv2d: bias must have ",
              weight.size(0), " values, got shape ", bias.sizes());

  const DeformShape shape = {input.size(0),
                             input.size(1),
                             input.size(2),
                             input.size(3),
                             weight.size(0),
                             weight.size(2),
                             weight.size(3),
                             out_size(input.size(2), pad_h, dilation_h, weight.size(2), stride_h),
                             out_size(input.size(3), pad_w, dilation_w, weight.size(3), stride_w),
                             stride_h,
                             stride_w,
                             pad_h,
                             pad_w,
                             dilation_h,
                             dilation_w,
                             groups,
                             offset_groups,
                             use_mask};
  TORCH_CHECK(shape.out_h > 0 && shape.out_w > 0, "deform_conv2d: the output would be empty (",
              shape.out_h, " x ", shape.out_w, ") for input ", input.sizes(), " and kernel ",
              shape.kernel_h, " x ", shape.kernel_w);
  const int64_t planes = offset_groups * shape.taps();
  const std::vector<int64_t> offset_shape = {shape.batch, planes * 2, shape.out_h, shape.out_w};
  TORCH_CHECK(offset.sizes() == at::IntArrayRef(offset_shape), "deform_conv2d: offset must be ",
              at::IntArrayRef(offset_shape), ", got ", offset.sizes());
  const std::vector<int64_t> mask_shape = {shape.batch, planes, shape.out_h, shape.out_w};
  TORCH_CHECK(!use_mask || mask.sizes() == at::IntArrayRef(mask_shape),
              "deform_conv2d: mask must be ", at::IntArrayRef(mask_shape), ", got ", mask.sizes());
  return shape;
}

void check_deform_grad(const at::Tensor& grad, const at::Tensor& input, const DeformShape& shape) {
  TORCH_CHECK(grad.dim() == 4 && grad.size(0) == shape.batch &&
                  grad.size(1) == shape.out_channels && grad.size(2) == shape.out_h &&
                  grad.size(3) == shape.out_w && grad.scalar_type() == input.scalar_type(),
              "_deform_conv2d_backward: grad must be ", shape.batch, " x ", shape.out_channels,
              " x ", shape.out_h, " x ", shape.out_w, " of ", input.scalar_type(), ", got ",
              grad.sizes(), " of ", grad.scalar_type());
}

at::Tensor grouped_weight(const at::Tensor& weight, const DeformShape& shape) {
  return weight
      .reshape({shape.groups, shape.group_out_channels(), shape.group_channels(), shape.taps()})
      .permute({0, 3, 2, 1})
      .reshape({shape.groups, shape.taps() * shape.group_channels(), shape.group_out_channels()});
}

at::Tensor ungrouped_weight(const at::Tensor& grouped, const DeformShape& shape) {
  return grouped
      .view({shape.groups, shape.taps(), shape.group_channels(), shape.group_out_channels()})
      .permute({0, 3, 2, 1})
      .reshape({shape.out_channels, shape.group_channels(), shape.kernel_h, shape.kernel_w});
}

}  // namespace torchdet::ops
