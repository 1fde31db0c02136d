// Gradients of the deformable convolution on the CPU, image by image and a chunk of output pixels
// at a time.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "deform_conv2d.h"
#include "kernels.h"
#include "roi_checks.h"
#include "scatter.h"

namespace torchdet::ops::cpu {

namespace {

// Channels a thread takes at once in the input's gradient: whole cache lines, so that no two
// threads write to one.
constexpr int64_t kBlock = 16;

// Adds the columns' gradient to the image's. Threads share channels out, as two taps may read one
// pixel.
template <typename T>
void add_to_input(const DeformImage<T>& image, int64_t first, int64_t size, int64_t rows,
                  const T* grad_columns, T* grad_input) {
  const DeformShape& shape = image.shape;
  const int64_t per_offset_group = shape.offset_group_channels();
  const int64_t blocks = (shape.channels + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const int64_t channels_end = std::min(shape.channels, end * kBlock);
    simd::vectorised([&](auto width) TORCHDET_INLINE {
      for (int64_t row = 0; row < size; ++row) {
        for (int64_t from = begin * kBlock; from < channels_end;) {
          const int64_t group = from / per_offset_group;
          const int64_t to = std::min(channels_end, (group + 1) * per_offset_group);
          for (int64_t tap = 0; tap < shape.taps(); ++tap) {
            const Sample<T> at = image.sample(group, tap, first + row);
            const T scale = image.modulation(group, tap, first + row);
            image.for_each_part(
                from, to, row, rows, tap, grad_columns,
                [&](int64_t channel, int64_t count, const T* source) TORCHDET_INLINE {
                  for (int corner = 0; corner < 4; ++corner) {
                    if (at.pixel[corner] < 0) continue;
                    add_scaled<decltype(width)::value>(
                        grad_input + at.pixel[corner] * shape.channels + channel, source,
                        at.weight(corner) * scale, count);
                  }
                });
          }
          from = to;
        }
      }
    });
  });
}

// Gradients of offset and mask: both follow from how much each of a tap's four pixels agrees with
// the column's gradient.
template <typename T>
void offset_and_mask(const DeformImage<T>& image, int64_t first, int64_t size, int64_t rows,
                     const T* grad_columns, T* grad_offset, T* grad_mask) {
  const DeformShape& shape = image.shape;
  const int64_t per_offset_group = shape.offset_group_channels();
  const int64_t plane_size = shape.out_pixels();
  at::parallel_for(0, size, 1, [&](int64_t begin, int64_t end) {
    simd::vectorised([&](auto width) TORCHDET_INLINE {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t group = 0; group < shape.offset_groups; ++group) {
          for (int64_t tap = 0; tap < shape.taps(); ++tap) {
            const Sample<T> at = image.sample(group, tap, first + row);
            T agreement[4] = {};
            image.for_each_part(
                group * per_offset_group, (group + 1) * per_offset_group, row, rows, tap,
                grad_columns, [&](int64_t channel, int64_t count, const T* grad) TORCHDET_INLINE {
                  for (int corner = 0; corner < 4; ++corner) {
                    if (at.pixel[corner] < 0) continue;
                    agreement[corner] += dot<decltype(width)::value>(
                        image.pixels + at.pixel[corner] * shape.channels + channel, grad, count);
                  }
                });
            const T scale = image.modulation(group, tap, first + row);
            const int64_t plane = image.plane(group, tap);
            T* along_y = grad_offset + plane * 2 * plane_size + first + row;
            along_y[0] = scale * (at.x * (agreement[3] - agreement[1]) +
                                  (T(1) - at.x) * (agreement[2] - agreement[0]));
            along_y[plane_size] = scale * (at.y * (agreement[3] - agreement[2]) +
                                           (T(1) - at.y) * (agreement[1] - agreement[0]));
            if (grad_mask == nullptr) continue;
            T sum = 0;
            for (int corner = 0; corner < 4; ++corner) sum += at.weight(corner) * agreement[corner];
            grad_mask[plane * plane_size + first + row] = sum;
          }
        }
      }
    });
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor> deform_conv2d_backward(
    const at::Tensor& grad, const at::Tensor& input, const at::Tensor& weight,
    const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias, int64_t stride_h,
    int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w,
    int64_t groups, int64_t offset_groups, bool use_mask) {
  const DeformShape shape =
      check_deform(input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w, dilation_h,
                   dilation_w, groups, offset_groups, use_mask);
  check_deform_grad(grad, input, shape);
  const auto format = at::MemoryFormat::ChannelsLast;
  const at::Tensor images = float_if_half(input).contiguous(format);
  const at::Tensor grads = float_if_half(grad)
                               .contiguous(format)
                               .permute({0, 2, 3, 1})
                               .reshape({shape.batch, shape.out_pixels(), shape.out_channels});
  const at::Tensor offsets = float_if_half(offset).contiguous();
  const at::Tensor masks = use_mask ? float_if_half(mask).contiguous() : at::Tensor();
  const at::Tensor weights = grouped_weight(float_if_half(weight), shape);

  at::Tensor grad_input =
      at::zeros({shape.batch, shape.height, shape.width, shape.channels}, images.options());
  at::Tensor grad_weight = at::zeros(weights.sizes(), weights.options());
  at::Tensor grad_offset = at::empty(offsets.sizes(), offsets.options());
  at::Tensor grad_mask =
      use_mask ? at::empty(masks.sizes(), masks.options()) : at::zeros_like(mask);
  const int64_t rows = shape.chunk();
  at::Tensor columns = at::empty({shape.groups, rows, weights.size(1)}, images.options());

  AT_DISPATCH_FLOATING_TYPES(images.scalar_type(), "_deform_conv2d_backward", [&] {
    for (int64_t n = 0; n < shape.batch; ++n) {
      const DeformImage<scalar_t> image = {
          shape, images.const_data_ptr<scalar_t>() + n * images.stride(0),
          offsets.const_data_ptr<scalar_t>() + n * offsets.stride(0),
          use_mask ? masks.const_data_ptr<scalar_t>() + n * masks.stride(0) : nullptr};
      for (int64_t first = 0; first < shape.out_pixels(); first += rows) {
        const int64_t size = std::min(rows, shape.out_pixels() - first);
        scalar_t* column_data = columns.mutable_data_ptr<scalar_t>();
        image.fill_columns(first, first + size, rows, column_data);
        for (int64_t g = 0; g < shape.groups; ++g) {
          const at::Tensor grad_g =
              grads[n]
                  .narrow(0, first, size)
                  .narrow(1, g * shape.group_out_channels(), shape.group_out_channels());
          at::Tensor columns_g = columns[g].narrow(0, 0, size);
          at::Tensor grad_weight_g = grad_weight[g];
          at::addmm_out(grad_weight_g, grad_weight_g, columns_g.t(), grad_g);
          at::mm_out(columns_g, grad_g, weights[g].t());  // from here the columns' gradient
        }
        offset_and_mask(
            image, first, size, rows, column_data,
            grad_offset.mutable_data_ptr<scalar_t>() + n * grad_offset.stride(0),
            use_mask ? grad_mask.mutable_data_ptr<scalar_t>() + n * grad_mask.stride(0) : nullptr);
        add_to_input(image, first, size, rows, column_data,
                     grad_input.mutable_data_ptr<scalar_t>() + n * grad_input.stride(0));
      }
    }
  });

  const auto dtype = input.scalar_type();
  return {grad_input.permute({0, 3, 1, 2}).to(dtype).contiguous(input.suggest_memory_format()),
          ungrouped_weight(grad_weight, shape).to(dtype), grad_offset.to(dtype),
          grad_mask.to(dtype), grads.sum(at::IntArrayRef{0, 1}).to(dtype)};
}

}  // namespace torchdet::ops::cpu
