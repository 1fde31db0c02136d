// RoIAlign over one map or the levels of a pyramid, and its gradient. Own nothing.
#pragma once

#include <cstdint>
#include <limits>

#include "../../ops/roi_samples.h"
#include "atomic.h"

namespace torchdet::cuda {

// What both directions know of the RoIs. Coordinates and sums are `Number`s: float32 for float16
// and bfloat16 maps, else the maps' own type.
template <typename Number>
struct RoiBins {
  const Number* rois;  // K x 5
  int64_t images, channels, pooled_height, pooled_width, sampling_ratio;
  bool aligned;

  TORCHDET_HOST_DEVICE int64_t bins() const { return pooled_height * pooled_width; }

  // Image of RoI k, or -1 where there is none such: a kernel cannot say so.
  TORCHDET_HOST_DEVICE int64_t image(int64_t k) const {
    const Number index = rois[k * 5];
    if (!(index > Number(-1) && index < static_cast<Number>(images))) return -1;
    return static_cast<int64_t>(index);
  }

  TORCHDET_HOST_DEVICE ops::SampleGrid<Number> grid(int64_t k, Number scale) const {
    return ops::sample_grid(rois + k * 5 + 1, scale, pooled_height, pooled_width, sampling_ratio,
                            aligned);
  }
};

// Calls visit(row tap, column tap) for every sample of a bin that lies in the map.
template <typename Number, typename Visit>
TORCHDET_HOST_DEVICE void for_each_sample(const ops::SampleGrid<Number>& grid, int64_t row_bin,
                                          int64_t column_bin, int64_t height, int64_t width,
                                          const Visit& visit) {
  const auto rows = ops::near_map(grid.rows, row_bin, height);
  const auto columns = ops::near_map(grid.columns, column_bin, width);
  for (int64_t i = 0; i < rows.count; ++i) {
    const auto y = ops::sample_tap(grid.rows.position(row_bin, rows.sample(i)), height);
    if (!y.inside) continue;
    for (int64_t j = 0; j < columns.count; ++j) {
      const auto x = ops::sample_tap(grid.columns.position(column_bin, columns.sample(j)), width);
      if (x.inside) visit(y, x);
    }
  }
}

constexpr int kMaxLevels = 8;

template <typename T, typename Number>
struct RoiAlignForward {
  // A map, channels last or not, as `channels_last` says of all.
  struct Level {
    const T* data;
    int64_t height, width;
    Number scale;
  };

  RoiBins<Number> roi;
  Level levels[kMaxLevels];
  int64_t level_count;
  const int64_t* level_of;  // K; null: level 0 for all
  bool channels_last;
  T* out;  // K x channels x bins

  // Threads are numbered so that neighbours read neighbouring numbers.
  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t bins = roi.bins();
    const int64_t k = index / (bins * roi.channels);
    const int64_t within = index % (bins * roi.channels);
    const int64_t channel = channels_last ? within % roi.channels : within / bins;
    const int64_t bin = channels_last ? within / roi.channels : within % bins;
    T& result = out[(k * roi.channels + channel) * bins + bin];
    const int64_t image = roi.image(k);
    const int64_t level = level_of == nullptr ? 0 : level_of[k];
    if (image < 0 || level < 0 || level >= level_count) {
      result = static_cast<T>(std::numeric_limits<Number>::quiet_NaN());
      return;
    }
    const Level& map = levels[level];
    const int64_t pixels = map.height * map.width;
    const T* data = map.data + (channels_last ? image * pixels * roi.channels + channel
                                              : (image * roi.channels + channel) * pixels);
    const int64_t step = channels_last ? roi.channels : 1;
    const auto at = [&](int64_t row, int64_t column) {
      return static_cast<Number>(data[(row * map.width + column) * step]);
    };
    const auto grid = roi.grid(k, map.scale);
    Number sum = 0;
    for_each_sample(grid, bin / roi.pooled_width, bin % roi.pooled_width, map.height, map.width,
                    [&](const auto& y, const auto& x) {
                      const Number top =
                          at(y.low, x.low) * x.low_weight + at(y.low, x.high) * x.high_weight;
                      const Number bottom =
                          at(y.high, x.low) * x.low_weight + at(y.high, x.high) * x.high_weight;
                      sum += top * y.low_weight + bottom * y.high_weight;
                    });
    result = static_cast<T>(sum / grid.count);
  }
};

// Adds to a channels-last gradient.
template <typename Number>
struct RoiAlignBackward {
  RoiBins<Number> roi;
  int64_t height, width;
  Number scale;
  const Number* grad;  // K x channels x bins
  Number* map;         // images x height x width x channels

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t bins = roi.bins();
    const int64_t channel = index % roi.channels;
    const int64_t bin = index / roi.channels % bins;
    const int64_t k = index / (bins * roi.channels);
    const int64_t image = roi.image(k);
    if (image < 0) return;
    const auto grid = roi.grid(k, scale);
    const Number share = grad[(k * roi.channels + channel) * bins + bin] / grid.count;
    Number* target = map + image * height * width * roi.channels + channel;
    const auto add = [&](int64_t row, int64_t column, Number weight) {
      add_to(target + (row * width + column) * roi.channels, share * weight);
    };
    for_each_sample(grid, bin / roi.pooled_width, bin % roi.pooled_width, height, width,
                    [&](const auto& y, const auto& x) {
                      add(y.low, x.low, y.low_weight * x.low_weight);
                      add(y.low, x.high, y.low_weight * x.high_weight);
                      add(y.high, x.low, y.high_weight * x.low_weight);
                      add(y.high, x.high, y.high_weight * x.high_weight);
                    });
  }
};

// Position-sensitive: bin b of the pooled channel reads channels b, b + bins, ... of the map.
// Thread i has RoI i / channels and channel i % channels. Maps are not channels last.
template <typename Number>
struct PsRoiAlignForward {
  RoiBins<Number> roi;
  int64_t height, width;
  Number scale;
  const Number* maps;
  Number* out;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t k = index / roi.channels;
    const int64_t channel = index % roi.channels;
    const int64_t bin = channel % roi.bins();
    const int64_t image = roi.image(k);
    const auto grid = roi.grid(k, scale);
    // An empty RoI on an adaptive grid has no samples, and their mean is not a number.
    if (image < 0 || !grid.sampled) {
      out[index] = std::numeric_limits<Number>::quiet_NaN();
      return;
    }
    const Number* data = maps + (image * roi.channels + channel) * height * width;
    Number sum = 0;
    for_each_sample(
        grid, bin / roi.pooled_width, bin % roi.pooled_width, height, width,
        [&](const auto& y, const auto& x) {
          const Number* top = data + y.low * width;
          const Number* bottom = data + y.high * width;
          sum += (top[x.low] * x.low_weight + top[x.high] * x.high_weight) * y.low_weight +
                 (bottom[x.low] * x.low_weight + bottom[x.high] * x.high_weight) * y.high_weight;
        });
    out[index] = sum / grid.count;
  }
};

template <typename Number>
struct PsRoiAlignBackward {
  RoiBins<Number> roi;
  int64_t height, width;
  Number scale;
  const Number* grad;
  Number* maps;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t k = index / roi.channels;
    const int64_t channel = index % roi.channels;
    const int64_t bin = channel % roi.bins();
    const int64_t image = roi.image(k);
    if (image < 0) return;
    const auto grid = roi.grid(k, scale);
    const Number share = grad[index] / grid.count;
    Number* data = maps + (image * roi.channels + channel) * height * width;
    for_each_sample(grid, bin / roi.pooled_width, bin % roi.pooled_width, height, width,
                    [&](const auto& y, const auto& x) {
                      add_to(data + y.low * width + x.low, share * y.low_weight * x.low_weight);
                      add_to(data + y.low * width + x.high, share * y.low_weight * x.high_weight);
                      add_to(data + y.high * width + x.low, share * y.high_weight * x.low_weight);
                      add_to(data + y.high * width + x.high, share * y.high_weight * x.high_weight);
                    });
  }
};

}  // namespace torchdet::cuda
