// Contraction to fused multiply-add, the default on some processors, would move the samples.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "roi_taps.h"

#include <cmath>

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
void RoiTaps<T>::Axis::compute(const SampleAxis<T>& axis, int64_t bins, int64_t length) {
  first.clear();
  position.clear();
  weight.clear();
  for (int64_t bin = 0; bin < bins; ++bin) {
    first.push_back(static_cast<int64_t>(position.size()));
    const SampleRange<T> range = near_map(axis, bin, length);
    for (int64_t i = 0; i < range.count; ++i) {
      const T at = axis.position(bin, range.sample(i));
      const SampleTap<T> tap = sample_tap(at, length);
      if (!tap.inside) continue;
      add(tap.low, tap.low_weight);
      if (std::isnan(at)) break;  // the bin is NaN whatever the others are
      add(tap.high, tap.high_weight);
    }
  }
  first.push_back(static_cast<int64_t>(position.size()));
}

template <typename T>
void RoiTaps<T>::compute(const T* box, const Geometry& geometry) {
  const SampleGrid<T> grid =
      sample_grid(box, geometry.spatial_scale, geometry.pooled_height, geometry.pooled_width,
                  geometry.sampling_ratio, geometry.aligned);
  rows_.compute(grid.rows, geometry.pooled_height, geometry.height);
  columns_.compute(grid.columns, geometry.pooled_width, geometry.width);
  sampled_ = grid.sampled;

  first_.clear();
  pixel_.clear();
  weight_.clear();
  for (int64_t row_bin = 0; row_bin < geometry.pooled_height; ++row_bin) {
    for (int64_t column_bin = 0; column_bin < geometry.pooled_width; ++column_bin) {
      first_.push_back(static_cast<int64_t>(pixel_.size()));
      for (int64_t i = rows_.first[row_bin]; i < rows_.first[row_bin + 1]; ++i) {
        const T row_weight = rows_.weight[i] / grid.count;
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
