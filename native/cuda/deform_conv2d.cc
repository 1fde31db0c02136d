#include "kernels/deform_conv2d.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>

#include "../ops/deform_conv2d.h"
#include "../ops/roi_checks.h"
#include "launch.h"
#include "operators.h"

namespace torchdet::cuda {

namespace {

using ops::DeformShape;
using ops::float_if_half;

// Output pixels, of all images, whose columns are in memory at once: about 256 MiB of float32.
int64_t rows_at_once(const DeformShape& shape) {
  const int64_t fit = (int64_t(64) << 20) / std::max<int64_t>(1, shape.taps() * shape.channels);
  return std::min(shape.batch * shape.out_pixels(), std::max<int64_t>(1, fit));
}

// The input tensors as the kernels want them.
struct Sources {
  Sources(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& offset,
          const at::Tensor& mask, const DeformShape& deform_shape)
      : shape(deform_shape),
        rows(rows_at_once(deform_shape)),
        images(float_if_half(input).contiguous(at::MemoryFormat::ChannelsLast)),
        offsets(float_if_half(offset).contiguous()),
        masks(deform_shape.use_mask ? float_if_half(mask).contiguous() : at::Tensor()),
        weights(ops::grouped_weight(float_if_half(weight), deform_shape)),
        columns(at::empty({deform_shape.groups, rows, weights.size(1)}, images.options())) {}

  int64_t total() const { return shape.batch * shape.out_pixels(); }

  template <typename T>
  DeformRows<T> part(int64_t first) const {
    return {shape,
            images.const_data_ptr<T>(),
            offsets.const_data_ptr<T>(),
            shape.use_mask ? masks.const_data_ptr<T>() : nullptr,
            first,
            std::min(rows, total() - first),
            rows};
  }

  at::Tensor group_columns(int64_t group, int64_t size) const {
    return columns[group].narrow(0, 0, size);
  }

  DeformShape shape;
  int64_t rows;
  at::Tensor images, offsets, masks, weights, columns;
};

// The part of a rows x out_channels matrix that belongs to a group.
at::Tensor group_part(const at::Tensor& matrix, const DeformShape& shape, int64_t group,
                      int64_t first, int64_t size) {
  return matrix.narrow(0, first, size)
      .narrow(1, group * shape.group_out_channels(), shape.group_out_channels());
}

}  // namespace

at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask) {
  const DeformShape shape =
      ops::check_deform(input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w,
                        dilation_h, dilation_w, groups, offset_groups, use_mask);
  const c10::DeviceGuard guard(input.device());
  const Sources sources(input, weight, offset, mask, shape);
  const at::Tensor biases = float_if_half(bias);
  at::Tensor output = at::empty({sources.total(), shape.out_channels}, sources.images.options());
  AT_DISPATCH_FLOATING_TYPES(output.scalar_type(), "deform_conv2d", [&] {
    for (int64_t first = 0; first < sources.total(); first += sources.rows) {
      const auto part = sources.part<scalar_t>(first);
      launch(DeformColumns<scalar_t>{part, sources.columns.mutable_data_ptr<scalar_t>()},
             part.numbers());
      for (int64_t g = 0; g < shape.groups; ++g) {
        at::Tensor out = group_part(output, shape, g, first, part.size);
        at::addmm_out(out,
                      biases.narrow(0, g * shape.group_out_channels(), shape.group_out_channels()),
                      sources.group_columns(g, part.size), sources.weights[g]);
      }
    }
  });
  return output.view({shape.batch, shape.out_h, shape.out_w, shape.out_channels})
      .permute({0, 3, 1, 2})
      .to(input.scalar_type())
      .contiguous(input.suggest_memory_format());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight,
    const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias, int64_t stride_h,
    int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w,
    int64_t groups, int64_t offset_groups, bool use_mask) {
  const DeformShape shape =
      ops::check_deform(input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w,
                        dilation_h, dilation_w, groups, offset_groups, use_mask);
  ops::check_deform_grad(grad, input, shape);
  const c10::DeviceGuard guard(input.device());
  const Sources sources(input, weight, offset, mask, shape);
  const at::Tensor grads = float_if_half(grad)
                               .contiguous(at::MemoryFormat::ChannelsLast)
                               .permute({0, 2, 3, 1})
                               .reshape({sources.total(), shape.out_channels});
  at::Tensor grad_input =
      at::zeros({shape.batch, shape.height, shape.width, shape.channels}, grads.options());
  at::Tensor grad_weight = at::zeros(sources.weights.sizes(), grads.options());
  at::Tensor grad_offset = at::empty(sources.offsets.sizes(), grads.options());
  at::Tensor grad_mask =
      use_mask ? at::empty(sources.masks.sizes(), grads.options()) : at::zeros_like(mask);

  AT_DISPATCH_FLOATING_TYPES(grads.scalar_type(), "_deform_conv2d_backward", [&] {
    scalar_t* columns = sources.columns.mutable_data_ptr<scalar_t>();
    for (int64_t first = 0; first < sources.total(); first += sources.rows) {
      const auto part = sources.part<scalar_t>(first);
      launch(DeformColumns<scalar_t>{part, columns}, part.numbers());
      for (int64_t g = 0; g < shape.groups; ++g) {
        const at::Tensor grad_g = group_part(grads, shape, g, first, part.size);
        at::Tensor columns_g = sources.group_columns(g, part.size);
        at::Tensor grad_weight_g = grad_weight[g];
        at::addmm_out(grad_weight_g, grad_weight_g, columns_g.t(), grad_g);
        at::mm_out(columns_g, grad_g, sources.weights[g].t());  // from here the columns' gradient
      }
      const DeformOffsetGradient<scalar_t> offsets = {
          part, columns, grad_offset.mutable_data_ptr<scalar_t>(),
          use_mask ? grad_mask.mutable_data_ptr<scalar_t>() : nullptr};
      launch(offsets, offsets.threads());
      launch(DeformInputGradient<scalar_t>{part, columns, grad_input.mutable_data_ptr<scalar_t>()},
             part.numbers());
    }
  });

  const auto dtype = input.scalar_type();
  return {grad_input.permute({0, 3, 1, 2}).to(dtype).contiguous(input.suggest_memory_format()),
          ops::ungrouped_weight(grad_weight, shape).to(dtype), grad_offset.to(dtype),
          grad_mask.to(dtype), grads.sum(at::IntArrayRef{0}).to(dtype)};
}

}  // namespace torchdet::cuda
