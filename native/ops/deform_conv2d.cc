#include "deform_conv2d.h"

#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "roi_checks.h"
#include "simd.h"

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

// out = the weighted sum of four channel vectors
template <int Bytes, typename T>
TORCHDET_INLINE inline void blend(const T* const source[4], const T weight[4], T* out,
                                  int64_t size) {
  using Vec = simd::Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  int64_t c = 0;
  for (; c + lanes <= size; c += lanes) {
    Vec sum = *reinterpret_cast<const Vec*>(source[0] + c) * weight[0];
#pragma GCC unroll 3
    for (int corner = 1; corner < 4; ++corner) {
      sum += *reinterpret_cast<const Vec*>(source[corner] + c) * weight[corner];
    }
    *reinterpret_cast<Vec*>(out + c) = sum;
  }
  for (; c < size; ++c) {
    out[c] = source[0][c] * weight[0] + source[1][c] * weight[1] + source[2][c] * weight[2] +
             source[3][c] * weight[3];
  }
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

at::Tensor grouped_weight(const at::Tensor& weight, const DeformShape& shape) {
  return weight
      .reshape({shape.groups, shape.group_out_channels(), shape.group_channels(), shape.taps()})
      .permute({0, 3, 2, 1})
      .reshape({shape.groups, shape.taps() * shape.group_channels(), shape.group_out_channels()});
}

template <typename T>
void DeformImage<T>::fill_columns(int64_t first, int64_t last, int64_t rows, T* columns) const {
  at::parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
    const std::vector<T> outside(shape.offset_group_channels(), T(0));
    simd::vectorised([&](auto width) TORCHDET_INLINE {
      for (int64_t out_pixel = begin; out_pixel < end; ++out_pixel) {
        for (int64_t group = 0; group < shape.offset_groups; ++group) {
          const int64_t from = group * shape.offset_group_channels();
          for (int64_t tap = 0; tap < shape.taps(); ++tap) {
            const Sample<T> at = sample(group, tap, out_pixel);
            const T scale = modulation(group, tap, out_pixel);
            T weight[4];
            for (int corner = 0; corner < 4; ++corner) weight[corner] = at.weight(corner) * scale;
            for_each_part(from, from + shape.offset_group_channels(), out_pixel - first, rows, tap,
                          columns, [&](int64_t channel, int64_t size, T* out) TORCHDET_INLINE {
                            const T* source[4];
                            for (int corner = 0; corner < 4; ++corner) {
                              source[corner] =
                                  at.pixel[corner] < 0
                                      ? outside.data()
                                      : pixels + at.pixel[corner] * shape.channels + channel;
                            }
                            blend<decltype(width)::value>(source, weight, out, size);
                          });
          }
        }
      }
    });
  });
}

template struct DeformImage<float>;
template struct DeformImage<double>;

namespace cpu {

at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask) {
  const DeformShape shape =
      check_deform(input, weight, offset, mask, bias, stride_h, stride_w, pad_h, pad_w, dilation_h,
                   dilation_w, groups, offset_groups, use_mask);
  const at::Tensor images = float_if_half(input).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor offsets = float_if_half(offset).contiguous();
  const at::Tensor masks = use_mask ? float_if_half(mask).contiguous() : at::Tensor();
  const at::Tensor weights = grouped_weight(float_if_half(weight), shape);
  const at::Tensor biases = float_if_half(bias);
  const int64_t columns_wide = shape.taps() * shape.group_channels();
  const int64_t rows = shape.chunk();
  at::Tensor columns = at::empty({shape.groups, rows, columns_wide}, images.options());
  at::Tensor output =
      at::empty({shape.batch, shape.out_pixels(), shape.out_channels}, images.options());

  AT_DISPATCH_FLOATING_TYPES(images.scalar_type(), "deform_conv2d", [&] {
    for (int64_t n = 0; n < shape.batch; ++n) {
      const DeformImage<scalar_t> image = {
          shape, images.const_data_ptr<scalar_t>() + n * images.stride(0),
          offsets.const_data_ptr<scalar_t>() + n * offsets.stride(0),
          use_mask ? masks.const_data_ptr<scalar_t>() + n * masks.stride(0) : nullptr};
      for (int64_t first = 0; first < shape.out_pixels(); first += rows) {
        const int64_t size = std::min(rows, shape.out_pixels() - first);
        image.fill_columns(first, first + size, rows, columns.mutable_data_ptr<scalar_t>());
        for (int64_t g = 0; g < shape.groups; ++g) {
          const int64_t channel = g * shape.group_out_channels();
          at::Tensor out =
              output[n].narrow(0, first, size).narrow(1, channel, shape.group_out_channels());
          at::addmm_out(out, biases.narrow(0, channel, shape.group_out_channels()),
                        columns[g].narrow(0, 0, size), weights[g]);
        }
      }
    }
  });
  return output.view({shape.batch, shape.out_h, shape.out_w, shape.out_channels})
      .permute({0, 3, 1, 2})
      .to(input.scalar_type())
      .contiguous(input.suggest_memory_format());
}

}  // namespace cpu

}  // namespace torchdet::ops
