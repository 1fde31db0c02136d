// Where RoIAlign samples a feature map: the grid of a RoI, and the pixels and weights of one sample
// along one axis. Shared by the CPU's operators and the CUDA kernels. Owns nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "host_device.h"

namespace torchdet::ops {

// The samples of a RoI along one axis of the map: bin b has `samples` of them, evenly over
// start + b * bin_size and the bin_size after it.
template <typename T>
struct SampleAxis {
  T start, bin_size, samples;

  TORCHDET_HOST_DEVICE T position(int64_t bin, T sample) const {
    return start + static_cast<T>(bin) * bin_size + (sample + T(0.5)) * bin_size / samples;
  }
};

template <typename T>
struct SampleGrid {
  SampleAxis<T> rows, columns;
  T count;       // samples of a bin, at least 1
  bool sampled;  // false where the grid has none: an empty or inverted RoI with an adaptive grid
};

template <typename T>
TORCHDET_HOST_DEVICE SampleAxis<T> sample_axis(T low, T high, T spatial_scale, int64_t bins,
                                               int64_t sampling_ratio, bool aligned) {
  const T offset = aligned ? T(0.5) : T(0);
  const T start = low * spatial_scale - offset;
  T length = high * spatial_scale - offset - start;
  if (!aligned) length = std::max(length, T(1));
  const T bin_size = length / static_cast<T>(bins);
  // NaN stays NaN: the coordinates then are, too.
  return {start, bin_size,
          sampling_ratio <= 0 ? std::ceil(bin_size) : static_cast<T>(sampling_ratio)};
}

// box: x1, y1, x2, y2 in pixels of the image.
template <typename T>
TORCHDET_HOST_DEVICE SampleGrid<T> sample_grid(const T* box, T spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width, int64_t sampling_ratio,
                                               bool aligned) {
  SampleGrid<T> grid = {
      sample_axis(box[1], box[3], spatial_scale, pooled_height, sampling_ratio, aligned),
      sample_axis(box[0], box[2], spatial_scale, pooled_width, sampling_ratio, aligned), T(1),
      true};
  if (!std::isfinite(grid.rows.samples) || !std::isfinite(grid.columns.samples)) {
    // An infinite grid has no finite sample: one that is not a number stands for all.
    grid.rows.start = grid.columns.start = std::numeric_limits<T>::quiet_NaN();
    grid.rows.samples = grid.columns.samples = T(1);
    return grid;
  }
  const T samples = grid.rows.samples * grid.columns.samples;
  grid.count = std::max(samples, T(1));
  grid.sampled = samples != T(0);
  return grid;
}

// Consecutive samples of a bin; those left out lie beyond the map.
template <typename T>
struct SampleRange {
  double first;
  int64_t count;

  // Beyond 2^24 float32 has no next number; before the first 2^10 no float64 is needed, in which
  // GPUs are slow.
  TORCHDET_HOST_DEVICE T sample(int64_t index) const {
    return first == 0 ? static_cast<T>(index) : static_cast<T>(first + static_cast<double>(index));
  }
};

template <typename T>
TORCHDET_HOST_DEVICE SampleRange<T> near_map(const SampleAxis<T>& axis, int64_t bin,
                                             int64_t length) {
  if (!(axis.samples > T(1024))) return {0, static_cast<int64_t>(axis.samples)};
  // An adaptive grid on a huge RoI has more samples than anyone could count.
  double first = 0, last = static_cast<double>(axis.samples);
  const double step = static_cast<double>(axis.bin_size) / static_cast<double>(axis.samples);
  const double start = static_cast<double>(axis.start) + static_cast<double>(bin) * axis.bin_size;
  if (step > 0 && std::isfinite(start)) {
    first = std::max(first, std::floor((-1 - start) / step) - 2);
    last = std::min(last, std::ceil((length - start) / step) + 2);
  }
  return {first, last > first ? static_cast<int64_t>(last - first) : 0};
}

// The two neighbours of a sample. At the far edge they are one pixel, once with weight 0.
template <typename T>
struct SampleTap {
  bool inside;  // else it counts as zero
  int64_t low, high;
  T low_weight, high_weight;
};

// A position that is not a number has weights that are none, at pixel 0.
template <typename T>
TORCHDET_HOST_DEVICE SampleTap<T> sample_tap(T position, int64_t length) {
  if (std::isnan(position)) return {true, 0, 0, position, position};
  if (position < T(-1) || position > static_cast<T>(length)) return {false, 0, 0, T(0), T(0)};
  const T at = std::max(position, T(0));
  const int64_t low = std::min(static_cast<int64_t>(at), length - 1);
  if (low == length - 1) return {true, low, low, T(1), T(0)};
  const T fraction = at - static_cast<T>(low);
  return {true, low, low + 1, T(1) - fraction, fraction};
}

}  // namespace torchdet::ops
