// Bins of whole pixels, as RoIPool and PSRoIPool have them. The arithmetic is shared with the CUDA
// kernels. Owns nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "host_device.h"

namespace torchdet::ops {

struct Range {
  int64_t begin, end;
  TORCHDET_HOST_DEVICE bool empty() const { return end <= begin; }
  TORCHDET_HOST_DEVICE int64_t size() const { return end - begin; }
};

// A RoI along one axis: its first pixel, and the length of a bin.
template <typename T>
struct BinScale {
  int64_t first;
  T bin_size;

  // Pixels of a bin, within 0..limit.
  TORCHDET_HOST_DEVICE Range bin(int64_t index, int64_t limit) const {
    const auto begin = static_cast<int64_t>(std::floor(static_cast<T>(index) * bin_size));
    const auto end = static_cast<int64_t>(std::ceil(static_cast<T>(index + 1) * bin_size));
    return {clamped(begin + first, limit), clamped(end + first, limit)};
  }

 private:
  TORCHDET_HOST_DEVICE static int64_t clamped(int64_t value, int64_t limit) {
    return std::max<int64_t>(0, std::min(value, limit));
  }
};

// Nearest integer, half away from zero; kept within 32 bits, and what is not a number lies before
// every map.
template <typename T>
TORCHDET_HOST_DEVICE int64_t rounded_pixel(T value) {
  constexpr T bound = T(1 << 30);
  if (std::isnan(value)) return -(int64_t(1) << 30);
  return static_cast<int64_t>(std::round(std::max(-bound, std::min(value, bound))));
}

// start and stop in pixels of the image. A RoI is `extra` pixels longer than stop - start (1 for
// RoIPool, whose stop is inclusive), at least 1.
template <typename T>
TORCHDET_HOST_DEVICE BinScale<T> bin_scale(T start, T stop, T spatial_scale, int64_t extra,
                                           int64_t bins) {
  const int64_t first = rounded_pixel(start * spatial_scale);
  const int64_t length = std::max<int64_t>(rounded_pixel(stop * spatial_scale) - first + extra, 1);
  return {first, static_cast<T>(length) / static_cast<T>(bins)};
}

// The bins of a RoI along one axis.
template <typename T>
class BinAxis {
 public:
  BinAxis(T start, T stop, T spatial_scale, int64_t extra, int64_t bins, int64_t limit) {
    const BinScale<T> scale = bin_scale(start, stop, spatial_scale, extra, bins);
    ranges_.reserve(bins);
    for (int64_t i = 0; i < bins; ++i) ranges_.push_back(scale.bin(i, limit));
  }

  const Range& bin(int64_t index) const { return ranges_[index]; }

 private:
  std::vector<Range> ranges_;
};

}  // namespace torchdet::ops
