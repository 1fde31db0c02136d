// RoIAlign of a map in the default layout (NCHW). Owns nothing.
#pragma once

#include <cstdint>

#include "roi_taps.h"

namespace torchdet::ops {

template <typename T>
struct RoiAlignTask {
  const T* map;  // images x channels x height x width
  int64_t images, channels;
  typename RoiTaps<T>::Geometry geometry;
  const T* rois;         // count x 5; image indices are checked
  const int64_t* order;  // in which RoIs are pooled, image by image
  int64_t count;
  T* out;  // count x channels x pooled height x pooled width
};

// Whether pool_by_channel_blocks is the way: enough blocks for the threads, and a number of taps
// that is known and fits in memory.
template <typename T>
bool fits_channel_blocks(const RoiAlignTask<T>& task);

// A cache line's worth of channels at a time is turned into channels-last, which for most maps
// stays in the cache, and all RoIs are pooled from it. Each thread has channels of its own.
template <typename T>
void pool_by_channel_blocks(const RoiAlignTask<T>& task);

extern template bool fits_channel_blocks<float>(const RoiAlignTask<float>&);
extern template bool fits_channel_blocks<double>(const RoiAlignTask<double>&);
extern template void pool_by_channel_blocks<float>(const RoiAlignTask<float>&);
extern template void pool_by_channel_blocks<double>(const RoiAlignTask<double>&);

}  // namespace torchdet::ops
