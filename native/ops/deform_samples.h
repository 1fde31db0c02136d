// The arithmetic of the deformable convolution: its sizes, and where a kernel tap samples an image.
// Shared by the CPU's operators and the CUDA kernels. Owns nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "host_device.h"

namespace torchdet::ops {

struct DeformShape {
  int64_t batch, channels, height, width;
  int64_t out_channels, kernel_h, kernel_w, out_h, out_w;
  int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  int64_t groups, offset_groups;
  bool use_mask;

  TORCHDET_HOST_DEVICE int64_t taps() const { return kernel_h * kernel_w; }
  TORCHDET_HOST_DEVICE int64_t out_pixels() const { return out_h * out_w; }
  TORCHDET_HOST_DEVICE int64_t group_channels() const { return channels / groups; }
  TORCHDET_HOST_DEVICE int64_t group_out_channels() const { return out_channels / groups; }
  TORCHDET_HOST_DEVICE int64_t offset_group_channels() const { return channels / offset_groups; }
  // Output pixels whose columns are in memory at once: at most about 32 MiB of float32.
  int64_t chunk() const {
    const int64_t column = std::max<int64_t>(1, taps() * channels);
    return std::min(out_pixels(), std::max<int64_t>(1, (int64_t(8) << 20) / column));
  }
};

// Where one kernel tap reads the image.
template <typename T>
struct Sample {
  int64_t pixel[4];  // top left, top right, bottom left, bottom right; -1 outside the image
  T y, x;            // fraction below the top, and right of the left

  TORCHDET_HOST_DEVICE T weight(int corner) const {
    return (corner < 2 ? T(1) - y : y) * (corner % 2 == 0 ? T(1) - x : x);
  }
};

// Where tap `tap` reads the image for output pixel `out_pixel`, moved by (shift_y, shift_x).
template <typename T>
TORCHDET_HOST_DEVICE Sample<T> deform_sample(const DeformShape& shape, int64_t tap,
                                             int64_t out_pixel, T shift_y, T shift_x) {
  const T y = static_cast<T>(out_pixel / shape.out_w * shape.stride_h - shape.pad_h +
                             tap / shape.kernel_w * shape.dilation_h) +
              shift_y;
  const T x = static_cast<T>(out_pixel % shape.out_w * shape.stride_w - shape.pad_w +
                             tap % shape.kernel_w * shape.dilation_w) +
              shift_x;
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
  return {{pixel(top, left), pixel(top, left + 1), pixel(top + 1, left), pixel(top + 1, left + 1)},
          y - static_cast<T>(top),
          x - static_cast<T>(left)};
}

}  // namespace torchdet::ops
