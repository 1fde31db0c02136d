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
