// RoIAlign forward on the CPU. The work is done on channels-last maps, vectorised over channels;
// the result is contiguous.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/util/irange.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "kernels.h"
#include "roi_align_blocks.h"
#include "roi_checks.h"
#include "roi_taps.h"
#include "simd.h"
#include "transpose.h"

namespace torchdet::ops::cpu {

namespace {

template <typename T>
struct Level {
  const T* data;
  typename RoiTaps<T>::Geometry geometry;
  int64_t pixels;
};

// Channels of one block of the scratch memory: a cache line.
template <typename T>
constexpr int64_t kBlock = 64 / static_cast<int64_t>(sizeof(T));

// Pools one bin over all channels. scratch is [channel block][bin][channel in block]; `out` points
// at this bin in the first block.
template <int Bytes, typename T>
TORCHDET_INLINE inline void pool_bin(const T* map, int64_t channels, const int64_t* pixel,
                                     const T* weight, int64_t taps, T* out, int64_t block_stride) {
  using Vec = simd::Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  constexpr int64_t unroll = 8;
  const auto place = [&](int64_t c) TORCHDET_INLINE {
    return out + c / kBlock<T> * block_stride + c % kBlock<T>;
  };
  int64_t c = 0;
  for (; c + lanes * unroll <= channels; c += lanes * unroll) {
    Vec sum[unroll] = {};
    for (int64_t t = 0; t < taps; ++t) {
      const Vec* source = reinterpret_cast<const Vec*>(map + pixel[t] * channels + c);
      const T w = weight[t];
#pragma GCC unroll 8
      for (int64_t u = 0; u < unroll; ++u) sum[u] += source[u] * w;
    }
#pragma GCC unroll 8
    for (int64_t u = 0; u < unroll; ++u) *reinterpret_cast<Vec*>(place(c + u * lanes)) = sum[u];
  }
  for (; c + lanes <= channels; c += lanes) {
    Vec sum = {};
    for (int64_t t = 0; t < taps; ++t) {
      sum += *reinterpret_cast<const Vec*>(map + pixel[t] * channels + c) * weight[t];
    }
    *reinterpret_cast<Vec*>(place(c)) = sum;
  }
  for (; c < channels; ++c) {
    T sum = 0;
    for (int64_t t = 0; t < taps; ++t) sum += map[pixel[t] * channels + c] * weight[t];
    *place(c) = sum;
  }
}

// scratch -> [channel][bin]
template <int Bytes, typename T>
TORCHDET_INLINE inline void transpose(const T* scratch, int64_t channels, int64_t bins, T* out) {
  for (int64_t c = 0; c < channels; c += kBlock<T>) {
    simd::transpose<Bytes>(scratch + c * bins, kBlock<T>, bins, std::min(kBlock<T>, channels - c),
                           out + c * bins, bins);
  }
}

template <typename T>
void pool_channels_last(const std::vector<Level<T>>& levels, const int64_t* level_of, const T* rois,
                        const int64_t* order, int64_t count, int64_t channels, int64_t bins,
                        T* out) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    RoiTaps<T> taps;
    std::vector<T> scratch((channels + kBlock<T> - 1) / kBlock<T> * kBlock<T> * bins);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t k = order[i];
      const T* roi = rois + k * 5;
      const Level<T>& level = levels[level_of == nullptr ? 0 : level_of[k]];
      taps.compute(roi + 1, level.geometry);
      const T* map = level.data + static_cast<int64_t>(roi[0]) * level.pixels * channels;
      simd::vectorised([&](auto width) TORCHDET_INLINE {
        for (int64_t b = 0; b < bins; ++b) {
          const int64_t first = taps.begin(b);
          pool_bin<decltype(width)::value>(map, channels, taps.pixel() + first,
                                           taps.weight() + first, taps.end(b) - first,
                                           scratch.data() + b * kBlock<T>, bins * kBlock<T>);
        }
        transpose<decltype(width)::value>(scratch.data(), channels, bins,
                                          out + k * channels * bins);
      });
    }
  });
}

template <typename T>
void pool_contiguous(const Level<T>& level, const T* rois, int64_t count, int64_t channels,
                     int64_t bins, T* out) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    RoiTaps<T> taps;
    for (int64_t k = begin; k < end; ++k) {
      taps.compute(rois + k * 5 + 1, level.geometry);
      const T* map = level.data + static_cast<int64_t>(rois[k * 5]) * level.pixels * channels;
      T* result = out + k * channels * bins;
      for (int64_t c = 0; c < channels; ++c, map += level.pixels) {
        for (int64_t b = 0; b < bins; ++b) {
          T sum = 0;
          for (int64_t t = taps.begin(b); t < taps.end(b); ++t) {
            sum += map[taps.pixel()[t]] * taps.weight()[t];
          }
          *result++ = sum;
        }
      }
    }
  });
}

template <typename T>
Level<T> make_level(const at::Tensor& map, double scale, int64_t pooled_height,
                    int64_t pooled_width, int64_t sampling_ratio, bool aligned) {
  return {map.const_data_ptr<T>(),
          {map.size(2), map.size(3), static_cast<T>(scale), pooled_height, pooled_width,
           sampling_ratio, aligned},
          map.size(2) * map.size(3)};
}

// The RoIs by level, image and row of their middle: one after the other they read neighbouring
// parts of a map, which are then in the cache, and each thread has a part of the map of its own.
template <typename T>
std::vector<int64_t> by_place(const T* rois, const int64_t* level_of, int64_t count) {
  std::vector<std::pair<std::array<T, 3>, int64_t>> keyed(count);
  for (int64_t k = 0; k < count; ++k) {
    const T* roi = rois + k * 5;
    const T level = level_of == nullptr ? T(0) : static_cast<T>(level_of[k]);
    const T middle = (roi[2] + roi[4]) / 2;
    keyed[k] = {{level, roi[0], std::isnan(middle) ? T(0) : middle}, k};
  }
  std::sort(keyed.begin(), keyed.end());
  std::vector<int64_t> order(count);
  for (int64_t k = 0; k < count; ++k) order[k] = keyed[k].second;
  return order;
}

bool worth_channels_last(const at::Tensor& input, int64_t samples) {
  return input.size(1) >= 8 && samples >= input.size(0) * input.size(2) * input.size(3);
}

}  // namespace

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned) {
  check_rois("roi_align", input, rois, pooled_height, pooled_width);
  at::Tensor map = float_if_half(input);
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices("roi_align", boxes, input.size(0));
  const int64_t count = rois.size(0);
  const int64_t channels = input.size(1);
  const int64_t bins = pooled_height * pooled_width;
  at::Tensor output = at::empty({count, channels, pooled_height, pooled_width}, map.options());
  if (output.numel() == 0) return output.to(input.scalar_type());

  bool channels_last = map.is_contiguous(at::MemoryFormat::ChannelsLast);
  const bool worth = !channels_last && worth_channels_last(map, count * bins * 4);
  if (!channels_last) map = map.contiguous();
  AT_DISPATCH_FLOATING_TYPES(map.scalar_type(), "roi_align", [&] {
    auto level = make_level<scalar_t>(map, spatial_scale, pooled_height, pooled_width,
                                      sampling_ratio, aligned);
    const scalar_t* box_data = boxes.const_data_ptr<scalar_t>();
    scalar_t* out = output.mutable_data_ptr<scalar_t>();
    if (worth) {
      const auto order = by_place(box_data, nullptr, count);
      const RoiAlignTask<scalar_t> task = {level.data, map.size(0),  channels, level.geometry,
                                           box_data,   order.data(), count,    out};
      if (fits_channel_blocks(task)) return pool_by_channel_blocks(task);
      map = map.contiguous(at::MemoryFormat::ChannelsLast);
      level.data = map.const_data_ptr<scalar_t>();
      channels_last = true;
    }
    if (channels_last) {
      const auto order = by_place(box_data, nullptr, count);
      pool_channels_last<scalar_t>({level}, nullptr, box_data, order.data(), count, channels, bins,
                                   out);
    } else {
      pool_contiguous(level, box_data, count, channels, bins, out);
    }
  });
  return output.to(input.scalar_type());
}

at::Tensor multiscale_roi_align(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                const at::Tensor& levels, const std::vector<double>& scales,
                                int64_t pooled_height, int64_t pooled_width,
                                int64_t sampling_ratio) {
  const at::Tensor boxes = float_if_half(rois).contiguous();
  const at::Tensor level_of = levels.contiguous();
  const int64_t count = rois.size(0);
  const int64_t channels = maps[0].size(1);
  const int64_t bins = pooled_height * pooled_width;
  std::vector<at::Tensor> channels_last;
  for (const auto& map : maps) {
    channels_last.push_back(float_if_half(map).contiguous(at::MemoryFormat::ChannelsLast));
    check_rois("multiscale_roi_align", channels_last.back(), boxes, pooled_height, pooled_width);
    TORCH_CHECK(map.size(1) == channels && map.size(0) == maps[0].size(0),
                "multiscale_roi_align: maps must agree in batch and channels, got shapes ",
                maps[0].sizes(), " and ", map.sizes());
  }
  check_image_indices("multiscale_roi_align", boxes, maps[0].size(0));
  const int64_t* level_data = level_of.const_data_ptr<int64_t>();
  for (const auto k : c10::irange(count)) {
    TORCH_CHECK(level_data[k] >= 0 && level_data[k] < static_cast<int64_t>(maps.size()),
                "multiscale_roi_align: RoI ", k, " is of level ", level_data[k], ", but there are ",
                maps.size(), " maps");
  }

  at::Tensor output = at::empty({count, channels, pooled_height, pooled_width}, boxes.options());
  if (output.numel() == 0) return output.to(maps[0].scalar_type());
  AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "multiscale_roi_align", [&] {
    std::vector<Level<scalar_t>> described;
    for (const auto i : c10::irange(maps.size())) {
      described.push_back(make_level<scalar_t>(channels_last[i], scales[i], pooled_height,
                                               pooled_width, sampling_ratio, /*aligned=*/false));
    }
    const scalar_t* box_data = boxes.const_data_ptr<scalar_t>();
    const auto order = by_place(box_data, level_data, count);
    pool_channels_last(described, level_data, box_data, order.data(), count, channels, bins,
                       output.mutable_data_ptr<scalar_t>());
  });
  return output.to(maps[0].scalar_type());
}

}  // namespace torchdet::ops::cpu
