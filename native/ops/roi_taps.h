// Where a RoI reads its feature map: for each bin a list of pixels and weights, computed once and
// used for every channel by RoIAlign forward and backward. Owns its lists; reuse one object over
// many RoIs to spare the allocations.
#pragma once

#include <cstdint>
#include <vector>

#include "roi_samples.h"

namespace torchdet::ops {

template <typename T>
class RoiTaps {
 public:
  struct Geometry {
    int64_t height, width;  // of the feature map
    T spatial_scale;
    int64_t pooled_height, pooled_width;
    int64_t sampling_ratio;  // <= 0: as many samples as the bin has pixels
    bool aligned;
  };

  // box: x1, y1, x2, y2. Bilinear samples of one bin that fall on the same pixel are one tap. A
  // coordinate that is not a number gives a tap of weight NaN at pixel 0; samples outside [-1,
  // size] give none.
  void compute(const T* box, const Geometry& geometry);

  // False where the grid itself has no samples: an empty or inverted RoI with an adaptive grid.
  bool sampled() const { return sampled_; }

  int64_t begin(int64_t bin) const { return first_[bin]; }
  int64_t end(int64_t bin) const { return first_[bin + 1]; }
  const int64_t* pixel() const { return pixel_.data(); }  // y * width + x
  const T* weight() const { return weight_.data(); }

 private:
  struct Axis {
    std::vector<int64_t> first, position;
    std::vector<T> weight;

    void add(int64_t at, T value);
    void compute(const SampleAxis<T>& axis, int64_t bins, int64_t length);
  };

  Axis rows_, columns_;
  std::vector<int64_t> first_, pixel_;
  std::vector<T> weight_;
  bool sampled_ = true;
};

extern template class RoiTaps<float>;
extern template class RoiTaps<double>;

}  // namespace torchdet::ops
