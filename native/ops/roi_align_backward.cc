// RoIAlign backward on the CPU: the gradient is gathered in a channels-last map, each thread having
// channels of its own.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "kernels.h"
#include "roi_checks.h"
#include "roi_taps.h"
#include "scatter.h"

namespace torchdet::ops::cpu {

namespace {

// Channels a thread takes at once: whole cache lines, so that no two threads write to one.
constexpr int64_t kBlock = 16;

template <typename T>
void spread(const T* grad, const T* rois, int64_t count, int64_t channels,
            const typename RoiTaps<T>::Geometry& geometry, T* map) {
  const int64_t bins = geometry.pooled_height * geometry.pooled_width;
  const int64_t pixels = geometry.height * geometry.width;
  const int64_t blocks = (channels + kBlock - 1) / kBlock;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const int64_t from = begin * kBlock;
    const int64_t size = std::min(channels, end * kBlock) - from;
    RoiTaps<T> taps;
    std::vector<T> by_bin(bins * size);
    for (int64_t k = 0; k < count; ++k) {
      taps.compute(rois + k * 5 + 1, geometry);
      const T* source = grad + (k * channels + from) * bins;
      for (int64_t c = 0; c < size; ++c) {
        for (int64_t b = 0; b < bins; ++b) by_bin[b * size + c] = source[c * bins + b];
      }
      T* image = map + static_cast<int64_t>(rois[k * 5]) * pixels * channels + from;
      simd::vectorised([&](auto width) TORCHDET_INLINE {
        for (int64_t b = 0; b < bins; ++b) {
          for (int64_t t = taps.begin(b); t < taps.end(b); ++t) {
            add_scaled<decltype(width)::value>(image + taps.pixel()[t] * channels,
                                               by_bin.data() + b * size, taps.weight()[t], size);
          }
        }
      });
    }
  });
}

}  // namespace

at::Tensor roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, double spatial_scale,
                              int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                              int64_t channels, int64_t height, int64_t width,
                              int64_t sampling_ratio, bool aligned) {
  check_grad("_roi_align_backward", grad, rois, pooled_height, pooled_width, channels);
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices("_roi_align_backward", boxes, batch_size);
  // N x H x W x C in memory, seen as N x C x H x W.
  at::Tensor map =
      at::zeros({batch_size, height, width, channels}, source.options()).permute({0, 3, 1, 2});
  if (source.numel() > 0 && map.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_roi_align_backward", [&] {
      spread<scalar_t>(source.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(),
                       boxes.size(0), channels,
                       {height, width, static_cast<scalar_t>(spatial_scale), pooled_height,
                        pooled_width, sampling_ratio, aligned},
                       map.mutable_data_ptr<scalar_t>());
    });
  }
  return map.to(grad.scalar_type());
}

}  // namespace torchdet::ops::cpu
