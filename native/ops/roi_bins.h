// Bins of whole pixels, as RoIPool and PSRoIPool have them. Owns nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

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
  BinAxis(T start, T stop, T spatial_scale, int64_t extra, int64_t bins, int64_t limit) {
    const int64_t first = rounded(start * spatial_scale);
    const int64_t length = std::max<int64_t>(rounded(stop * spatial_scale) - first + extra, 1);
    const T bin_size = static_cast<T>(length) / static_cast<T>(bins);
    ranges_.reserve(bins);
    for (int64_t i = 0; i < bins; ++i) {
      const auto begin = static_cast<int64_t>(std::floor(static_cast<T>(i) * bin_size));
      const auto end = static_cast<int64_t>(std::ceil(static_cast<T>(i + 1) * bin_size));
      ranges_.push_back({std::clamp<int64_t>(begin + first, 0, limit),
                         std::clamp<int64_t>(end + first, 0, limit)});
    }
  }

  const Range& bin(int64_t index) const { return ranges_[index]; }

 private:
  // Nearest integer, half away from zero; kept within 32 bits, and what is not a number lies before
  // every map.
  static int64_t rounded(T value) {
    constexpr T bound = T(1 << 30);
    if (std::isnan(value)) return -(int64_t(1) << 30);
    return static_cast<int64_t>(std::round(std::clamp(value, -bound, bound)));
  }

  std::vector<Range> ranges_;
};

}  // namespace torchdet::ops
