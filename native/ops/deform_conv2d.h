// What forward and backward of the deformable convolution share: the checked sizes, where a kernel
// tap samples, and the matrix of sampled columns. Owns nothing.
//
// Images are channels-last here, so that everything is vectorised over channels: a tap is four
// pixels and four weights for all channels of an offset group. Columns are [group][output
// pixel][kernel tap][channel of the group]; times the weights, [group][kernel tap x channel][output
// channel of the group], they give the channels-last output.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "simd.h"

namespace torchdet::ops {

struct DeformShape {
  int64_t batch, channels, height, width;
  int64_t out_channels, kernel_h, kernel_w, out_h, out_w;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t groups, offset_groups;
  bool use_mask;

  int64_t taps() const { return kernel_h * kernel_w; }
  int64_t out_pixels() const { return out_h * out_w; }
  int64_t group_channels() const { return channels / groups; }
  int64_t group_out_channels() const { return out_channels / groups; }
  int64_t offset_group_channels() const { return channels / offset_groups; }
  // Output pixels whose columns are in memory at once: at most about 32 MiB of float32.
  int64_t chunk() const {
    return std::min(out_pixels(), std::max<int64_t>(1, (int64_t(8) << 20) / (taps() * channels)));
  }
};

// Checks shapes and dtypes; the message names the tensor, its shape and the right one.
DeformShape check_deform(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask);

// weight (out x in / groups x kh x kw) as [group][kernel tap x channel][output channel].
at::Tensor grouped_weight(const at::Tensor& weight, const DeformShape& shape);

// Where one kernel tap reads the image.
template <typename T>
struct Sample {
  int64_t pixel[4];  // top left, top right, bottom left, bottom right; -1 outside the image
  T y, x;            // fraction below the top, and right of the left

  T weight(int corner) const {
    return (corner < 2 ? T(1) - y : y) * (corner % 2 == 0 ? T(1) - x : x);
  }
};

// The tensors of one image, and where its kernel taps sample them.
template <typename T>
struct DeformImage {
  const DeformShape& shape;
  const T* pixels;  // height x width x channels
  const T* offset;  // offset_groups x taps x 2 x out_h x out_w
  const T* mask;    // offset_groups x taps x out_h x out_w, or null

  int64_t plane(int64_t offset_group, int64_t tap) const {
    return offset_group * shape.taps() + tap;
  }

  T modulation(int64_t offset_group, int64_t tap, int64_t out_pixel) const {
    return mask == nullptr ? T(1) : mask[plane(offset_group, tap) * shape.out_pixels() + out_pixel];
  }

  Sample<T> sample(int64_t offset_group, int64_t tap, int64_t out_pixel) const {
    const T* shift = offset + plane(offset_group, tap) * 2 * shape.out_pixels() + out_pixel;
    const T y = static_cast<T>(out_pixel / shape.out_w * shape.stride_h - shape.pad_h +
                               tap / shape.kernel_w * shape.dilation_h) +
                shift[0];
    const T x = static_cast<T>(out_pixel % shape.out_w * shape.stride_w - shape.pad_w +
                               tap % shape.kernel_w * shape.dilation_w) +
                shift[shape.out_pixels()];
    if (y < T(-1) || y > static_cast<T>(shape.height) || x < T(-1) ||
        x > static_cast<T>(shape.width)) {
      return {{-1, -1, -1, -1}, T(0), T(0)};
    }
    // Not a number: no pixel, and fractions that make what is read NaN.
    if (std::isnan(y) || std::isnan(x)) return {{-1, -1, -1, -1}, y - y, x - x};
    const auto top = static_cast<int64_t>(std::floor(y));
    const auto left = static_cast<int64_t>(std::floor(x));
    const auto pixel = [&](int64_t row, int64_t column) -> int64_t {
      const bool inside = row >= 0 && row < shape.height && column >= 0 && column < shape.width;
      return inside ? row * shape.width + column : -1;
    };
    return {
        {pixel(top, left), pixel(top, left + 1), pixel(top + 1, left), pixel(top + 1, left + 1)},
        y - static_cast<T>(top),
        x - static_cast<T>(left)};
  }

  // Fills columns with output pixels first..last; `rows` is the number of rows of each group's
  // matrix.
  void fill_columns(int64_t first, int64_t last, int64_t rows, T* columns) const;

  // Calls visit(channel, size, row of the columns for those channels) for the parts of channels
  // from..to that lie in one weight group each.
  template <typename Row, typename Visit>
  TORCHDET_INLINE void for_each_part(int64_t from, int64_t to, int64_t row, int64_t rows,
                                     int64_t tap, Row* columns, const Visit& visit) const {
    const int64_t width = shape.group_channels();
    while (from < to) {
      const int64_t group = from / width;
      const int64_t stop = std::min(to, (group + 1) * width);
      visit(from, stop - from,
            columns + ((group * rows + row) * shape.taps() + tap) * width + from % width);
      from = stop;
    }
  }
};

extern template struct DeformImage<float>;
extern template struct DeformImage<double>;

}  // namespace torchdet::ops
