#include "roi_align_blocks.h"

#include <ATen/Parallel.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "simd.h"
#include "transpose.h"

namespace torchdet::ops {
namespace {

template <typename T>
constexpr int64_t kBlock = 64 / static_cast<int64_t>(sizeof(T));

// Taps of all RoIs together: 8 bytes each, or 12.
constexpr int64_t kMostTaps = int64_t(4) << 20;

// The taps of each RoI in turn, in the order in which they are pooled.
template <typename T>
class AllTaps {
 public:
  explicit AllTaps(const RoiAlignTask<T>& task)
      : bins_(task.geometry.pooled_height * task.geometry.pooled_width),
        room_(bins_ * most_per_bin(task.geometry)),
        first_(task.count * (bins_ + 1)),
        offset_memory_(c10::GetCPUAllocator()->allocate(task.count * room_ * sizeof(int32_t))),
        weight_memory_(c10::GetCPUAllocator()->allocate(task.count * room_ * sizeof(T))),
        offset_(static_cast<int32_t*>(offset_memory_.get())),
        weight_(static_cast<T*>(weight_memory_.get())) {
    at::parallel_for(0, task.count, 64, [&](int64_t begin, int64_t end) {
      RoiTaps<T> taps;
      for (int64_t i = begin; i < end; ++i) {
        taps.compute(task.rois + task.order[i] * 5 + 1, task.geometry);
        for (int64_t b = 0; b < bins_; ++b) first_[i * (bins_ + 1) + b] = taps.begin(b);
        const int64_t count = taps.end(bins_ - 1);
        first_[i * (bins_ + 1) + bins_] = count;
        for (int64_t t = 0; t < count; ++t) {
          offset_[i * room_ + t] = static_cast<int32_t>(taps.pixel()[t] * kBlock<T>);
        }
        std::copy_n(taps.weight(), count, weight_ + i * room_);
      }
    });
  }

  // Two pixels a sample and axis, and the one at the edge twice.
  static int64_t most_per_bin(const typename RoiTaps<T>::Geometry& geometry) {
    return 4 * geometry.sampling_ratio * geometry.sampling_ratio;
  }

  const int64_t* first(int64_t i) const { return first_.data() + i * (bins_ + 1); }
  const int32_t* offset(int64_t i) const { return offset_ + i * room_; }
  const T* weight(int64_t i) const { return weight_ + i * room_; }

 private:
  int64_t bins_;
  int64_t room_;
  std::vector<int64_t> first_;
  c10::DataPtr offset_memory_, weight_memory_;
  int32_t* offset_;  // of the pixel in a block
  T* weight_;
};

// `channels` planes to pixels of a whole block; what lies beyond the planes is not written.
template <typename T>
void gather_block(const T* planes, int64_t channels, int64_t pixels, T* block) {
  constexpr int64_t kTile =
      256;  // pixels: of all planes of the block they fit in the nearest cache
  simd::vectorised([&](auto width) TORCHDET_INLINE {
    for (int64_t p = 0; p < pixels; p += kTile) {
      simd::transpose<decltype(width)::value>(planes + p, pixels, channels,
                                              std::min(kTile, pixels - p), block + p * kBlock<T>,
                                              kBlock<T>);
    }
  });
}

// One RoI from one block, to bins x block.
template <int Bytes, typename T>
TORCHDET_INLINE inline void pool(const T* block, const int64_t* first, const int32_t* offset,
                                 const T* weight, int64_t bins, T* pooled) {
  using Vec = simd::Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  constexpr int64_t registers = kBlock<T> / lanes;
  for (int64_t b = 0; b < bins; ++b) {
    // Two sums in turn: an addition need not wait for the one before.
    Vec even[registers] = {};
    Vec odd[registers] = {};
    int64_t t = first[b];
    for (; t + 1 < first[b + 1]; t += 2) {
      const Vec* source = reinterpret_cast<const Vec*>(block + offset[t]);
      const Vec* next = reinterpret_cast<const Vec*>(block + offset[t + 1]);
#pragma GCC unroll 4
      for (int64_t r = 0; r < registers; ++r) {
        even[r] += source[r] * weight[t];
        odd[r] += next[r] * weight[t + 1];
      }
    }
    if (t < first[b + 1]) {
      const Vec* source = reinterpret_cast<const Vec*>(block + offset[t]);
#pragma GCC unroll 4
      for (int64_t r = 0; r < registers; ++r) even[r] += source[r] * weight[t];
    }
    Vec* to = reinterpret_cast<Vec*>(pooled + b * kBlock<T>);
#pragma GCC unroll 4
    for (int64_t r = 0; r < registers; ++r) to[r] = even[r] + odd[r];
  }
}

}  // namespace

template <typename T>
bool fits_channel_blocks(const RoiAlignTask<T>& task) {
  const auto& geometry = task.geometry;
  constexpr int64_t most_pixels = std::numeric_limits<int32_t>::max() / kBlock<T>;
  if (geometry.sampling_ratio <= 0 || geometry.height * geometry.width > most_pixels ||
      task.channels / kBlock<T> < at::get_num_threads()) {
    return false;
  }
  // In this order nothing overflows.
  const int64_t left = kMostTaps / geometry.pooled_height / geometry.pooled_width;
  return geometry.sampling_ratio < 1024 && left / AllTaps<T>::most_per_bin(geometry) >= task.count;
}

template <typename T>
void pool_by_channel_blocks(const RoiAlignTask<T>& task) {
  const AllTaps<T> taps(task);
  const int64_t bins = task.geometry.pooled_height * task.geometry.pooled_width;
  const int64_t pixels = task.geometry.height * task.geometry.width;
  const int64_t blocks = (task.channels + kBlock<T> - 1) / kBlock<T>;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const c10::DataPtr block_memory =
        c10::GetCPUAllocator()->allocate(pixels * kBlock<T> * sizeof(T));
    T* block = static_cast<T*>(block_memory.get());
    std::vector<T> pooled(bins * kBlock<T>);
    for (int64_t c = begin * kBlock<T>; c < std::min(end * kBlock<T>, task.channels);
         c += kBlock<T>) {
      const int64_t channels = std::min(kBlock<T>, task.channels - c);
      int64_t gathered = -1;
      for (int64_t i = 0; i < task.count; ++i) {
        const int64_t k = task.order[i];
        const auto image = static_cast<int64_t>(task.rois[k * 5]);
        if (image != gathered) {
          gather_block(task.map + (image * task.channels + c) * pixels, channels, pixels, block);
          gathered = image;
        }
        simd::vectorised([&](auto width) TORCHDET_INLINE {
          constexpr int bytes = decltype(width)::value;
          pool<bytes>(block, taps.first(i), taps.offset(i), taps.weight(i), bins, pooled.data());
          simd::transpose<bytes>(pooled.data(), kBlock<T>, bins, channels,
                                 task.out + (k * task.channels + c) * bins, bins);
        });
      }
    }
  });
}

template bool fits_channel_blocks<float>(const RoiAlignTask<float>&);
template bool fits_channel_blocks<double>(const RoiAlignTask<double>&);
template void pool_by_channel_blocks<float>(const RoiAlignTask<float>&);
template void pool_by_channel_blocks<double>(const RoiAlignTask<double>&);

}  // namespace torchdet::ops
