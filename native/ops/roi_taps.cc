// Contraction to fused multiply-add, the default on some processors, would move the samples.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "roi_taps.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchdet::ops {

template <typename T>
void RoiTaps<T>::Axis::add(int64_t at, T value) {
  // Samples go along the axis, so a pixel seen before in this bin is one of the last. A weight of
  // zero stays apart: it makes an infinite pixel NaN, which it would not do in a sum.
  const int64_t size = static_cast<int64_t>(position.size());
  for (int64_t i = size - 1; i >= first.back() && i >= size - 4; --i) {
    if (position[i] == at && (weight[i] == T(0)) == (value == T(0))) {
      weight[i] += value;
      return;
    }
  }
  position.push_back(at);
  weight.push_back(value);
}

template <typename T>
void RoiTaps<T>::Axis::compute(T start, T bin_size, int64_t bins, T samples, int64_t length) {
  first.clear();
  position.clear();
  weight.clear();
  const double step = static_cast<double>(bin_size) / static_cast<double>(samples);
  for (int64_t bin = 0; bin < bins; ++bin) {
    first.push_back(static_cast<int64_t>(position.size()));
    // Only the samples near the map: an adaptive grid on a huge RoI has more than anyone could
    // count.
    double from = 0, to = samples;
    const double bin_start = static_cast<double>(start) + static_cast<double>(bin) * bin_size;
    if (samples > 1024 && step > 0 && std::isfinite(bin_start)) {
      from = std::max(from, std::floor((-1 - bin_start) / step) - 2);
      to = std::min(to, std::ceil((length - bin_start) / step) + 2);
    }
    for (double i = from; i < to; ++i) {
      T at = start + static_cast<T>(bin) * bin_size +
             static_cast<T>(static_cast<T>(i) + T(0.5)) * bin_size / samples;
      if (std::isnan(at)) {
        add(0, std::numeric_limits<T>::quiet_NaN());
        break;  // the bin is NaN whatever the others are
      }
      if (at < T(-1) || at > static_cast<T>(length)) continue;
      at = std::max(at, T(0));
      const int64_t low = std::min(static_cast<int64_t>(at), length - 1);
      if (low == length - 1) {
        add(low, T(1));
        add(low, T(0));  // the neighbour beyond the edge, which is this pixel again
        continue;
      }
      const T fraction = at - static_cast<T>(low);
      add(low, T(1) - fraction);
      add(low + 1, fraction);
    }
  }
  first.push_back(static_cast<int64_t>(position.size()));
}

template <typename T>
void RoiTaps<T>::compute(const T* box, const Geometry& geometry) {
  const T offset = geometry.aligned ? T(0.5) : T(0);
  const T x1 = box[0] * geometry.spatial_scale - offset;
  const T y1 = box[1] * geometry.spatial_scale - offset;
  T width = box[2] * geometry.spatial_scale - offset - x1;
  T height = box[3] * geometry.spatial_scale - offset - y1;
  if (!geometry.aligned) {
    width = std::max(width, T(1));
    height = std::max(height, T(1));
  }
  const T bin_width = width / static_cast<T>(geometry.pooled_width);
  const T bin_height = height / static_cast<T>(geometry.pooled_height);
  const bool adaptive = geometry.sampling_ratio <= 0;
  // NaN stays NaN: the coordinates then are, too. An infinite grid has no finite sample either.
  const T samples_x = adaptive ? std::ceil(bin_width) : static_cast<T>(geometry.sampling_ratio);
  const T samples_y = adaptive ? std::ceil(bin_height) : static_cast<T>(geometry.sampling_ratio);
  const bool finite = std::isfinite(samples_x) && std::isfinite(samples_y);
  const T one_nan = std::numeric_limits<T>::quiet_NaN();

  rows_.compute(finite ? y1 : one_nan, bin_height, geometry.pooled_height,
                finite ? samples_y : T(1), geometry.height);
  columns_.compute(finite ? x1 : one_nan, bin_width, geometry.pooled_width,
                   finite ? samples_x : T(1), geometry.width);
  const T count = std::max(finite ? samples_x * samples_y : T(1), T(1));

  sampled_ = !finite || samples_x * samples_y != T(0);

  first_.clear();
  pixel_.clear();
  weight_.clear();
  for (int64_t row_bin = 0; row_bin < geometry.pooled_height; ++row_bin) {
    for (int64_t column_bin = 0; column_bin < geometry.pooled_width; ++column_bin) {
      first_.push_back(static_cast<int64_t>(pixel_.size()));
      for (int64_t i = rows_.first[row_bin]; i < rows_.first[row_bin + 1]; ++i) {
        const T row_weight = rows_.weight[i] / count;
        const int64_t row = rows_.position[i] * geometry.width;
        for (int64_t j = columns_.first[column_bin]; j < columns_.first[column_bin + 1]; ++j) {
          pixel_.push_back(row + columns_.position[j]);
          weight_.push_back(row_weight * columns_.weight[j]);
        }
      }
    }
  }
  first_.push_back(static_cast<int64_t>(pixel_.size()));
}

template class RoiTaps<float>;
template class RoiTaps<double>;

}  // namespace torchdet::ops
