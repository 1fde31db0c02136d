// Bins of whole pixels, as RoIPool and PSRoIPool have them. Owns nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace torchdet::ops {

struct Range {
  int64_t begin, end;
  bool empty() const { return end <= begin; }
  int64_t size() const { return end - begin; }
};

// The bins of a RoI along one axis.
template <typename T>
class BinAxis {
 public:
  // start and stop in pixels of the image. A RoI is `extra` pixels longer than stop - start (1 for
  // RoIPool, whose stop is inclusive), at least 1. Ranges stay within 0..limit.
  BinAxis(T start, T stop, T spatial_scale, int64_t extra, int64_t bins, int64_t limit)
      : start_(rounded(start * spatial_scale)), limit_(limit) {
    const int64_t length = std::max<int64_t>(rounded(stop * spatial_scale) - start_ + extra, 1);
    bin_size_ = static_cast<T>(length) / static_cast<T>(bins);
  }

  Range bin(int64_t index) const {
    const auto begin = static_cast<int64_t>(std::floor(static_cast<T>(index) * bin_size_));
    const auto end = static_cast<int64_t>(std::ceil(static_cast<T>(index + 1) * bin_size_));
    return {std::clamp<int64_t>(begin + start_, 0, limit_),
            std::clamp<int64_t>(end + start_, 0, limit_)};
  }

 private:
  // Nearest integer, half away from zero; kept within 32 bits, and what is not a number lies before
  // every map.
  static int64_t rounded(T value) {
    constexpr T bound = T(1 << 30);
    if (std::isnan(value)) return -(int64_t(1) << 30);
    return static_cast<int64_t>(std::round(std::clamp(value, -bound, bound)));
  }

  int64_t start_;
  int64_t limit_;
  T bin_size_;
};

}  // namespace torchdet::ops
