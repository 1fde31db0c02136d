// Position-sensitive RoIAlign on the CPU, forward and backward: bin (i, j) of output channel c
// reads input channel (c * pooled_height + i) * pooled_width + j.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "kernels.h"
#include "roi_checks.h"
#include "roi_taps.h"

namespace torchdet::ops::cpu {

namespace {

// RoIs whose taps are in memory at once.
constexpr int64_t kAtOnce = 64;

// Calls visit(index in the pooled tensor, offset of the channel in the maps, taps, bin) for every
// RoI and channel. Threads share channels out: a channel's map stays in the cache for all RoIs, and
// belongs to one bin, so that no two threads write to one pixel of it in the backward.
template <typename T, typename Visit>
void for_each_bin(const T* rois, int64_t count, int64_t channels,
                  const typename RoiTaps<T>::Geometry& geometry, const Visit& visit) {
  const int64_t pixels = geometry.height * geometry.width;
  const int64_t bins = geometry.pooled_height * geometry.pooled_width;
  at::parallel_for(0, channels, 1, [&](int64_t begin, int64_t end) {
    std::vector<RoiTaps<T>> taps(std::min(kAtOnce, count));
    for (int64_t first = 0; first < count; first += kAtOnce) {
      const int64_t last = std::min(first + kAtOnce, count);
      for (int64_t k = first; k < last; ++k) taps[k - first].compute(rois + k * 5 + 1, geometry);
      for (int64_t c = begin; c < end; ++c) {
        for (int64_t k = first; k < last; ++k) {
          const int64_t plane = static_cast<int64_t>(rois[k * 5]) * channels + c;
          visit(k * channels + c, plane * pixels, taps[k - first], c % bins);
        }
      }
    }
  });
}

template <typename T>
void pool(const T* maps, const T* rois, int64_t count, int64_t channels,
          const typename RoiTaps<T>::Geometry& geometry, T* out) {
  for_each_bin(rois, count, channels, geometry,
               [&](int64_t index, int64_t plane, const RoiTaps<T>& taps, int64_t bin) {
                 // An empty RoI on an adaptive grid has no samples, and their mean is not a number.
                 T sum = taps.sampled() ? T(0) : std::numeric_limits<T>::quiet_NaN();
                 for (int64_t t = taps.begin(bin); t < taps.end(bin); ++t) {
                   sum += maps[plane + taps.pixel()[t]] * taps.weight()[t];
                 }
                 out[index] = sum;
               });
}

template <typename T>
void spread(const T* grad, const T* rois, int64_t count, int64_t channels,
            const typename RoiTaps<T>::Geometry& geometry, T* maps) {
  for_each_bin(rois, count, channels, geometry,
               [&](int64_t index, int64_t plane, const RoiTaps<T>& taps, int64_t bin) {
                 for (int64_t t = taps.begin(bin); t < taps.end(bin); ++t) {
                   maps[plane + taps.pixel()[t]] += grad[index] * taps.weight()[t];
                 }
               });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width, int64_t sampling_ratio) {
  check_rois("ps_roi_align", input, rois, pooled_height, pooled_width);
  const int64_t channels_out =
      position_sensitive_channels("ps_roi_align", input.size(1), pooled_height, pooled_width);
  const at::Tensor maps = float_if_half(input).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices("ps_roi_align", boxes, input.size(0));
  at::Tensor output =
      at::empty({rois.size(0), channels_out, pooled_height, pooled_width}, maps.options());
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "ps_roi_align", [&] {
      pool<scalar_t>(maps.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(),
                     rois.size(0), input.size(1),
                     {input.size(2), input.size(3), static_cast<scalar_t>(spatial_scale),
                      pooled_height, pooled_width, sampling_ratio, /*aligned=*/true},
                     output.mutable_data_ptr<scalar_t>());
    });
  }
  return {output.to(input.scalar_type()), channel_mapping(output)};
}

at::Tensor ps_roi_align_backward(const at::Tensor& grad, const at::Tensor& rois,
                                 const at::Tensor& mapping, double spatial_scale,
                                 int64_t pooled_height, int64_t pooled_width,
                                 int64_t sampling_ratio, int64_t batch_size, int64_t channels,
                                 int64_t height, int64_t width) {
  const char* name = "_ps_roi_align_backward";
  check_position_sensitive_grad(name, grad, rois, mapping, pooled_height, pooled_width, channels);
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices(name, boxes, batch_size);
  at::Tensor grad_input = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() > 0 && grad_input.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_ps_roi_align_backward", [&] {
      spread<scalar_t>(source.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(),
                       rois.size(0), channels,
                       {height, width, static_cast<scalar_t>(spatial_scale), pooled_height,
                        pooled_width, sampling_ratio, /*aligned=*/true},
                       grad_input.mutable_data_ptr<scalar_t>());
    });
  }
  return grad_input.to(grad.scalar_type());
}

}  // namespace torchdet::ops::cpu
