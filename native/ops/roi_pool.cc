// RoIPool on the CPU, forward and backward: the largest value of each bin and where it was.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cfloat>
#include <vector>

#include "kernels.h"
#include "roi_bins.h"
#include "roi_checks.h"
#include "simd.h"

namespace torchdet::ops::cpu {

namespace {

// Raises `largest` to the values of one pixel, and notes where; NaN is never larger.
template <typename T>
TORCHDET_INLINE inline void raise(const T* values, int32_t pixel, int64_t channels,
                                  T* __restrict largest, int32_t* __restrict where) {
  for (int64_t c = 0; c < channels; ++c) {
    const bool larger = values[c] > largest[c];
    largest[c] = larger ? values[c] : largest[c];
    where[c] = larger ? pixel : where[c];
  }
}

// maps is channels-last, so that all channels of a pixel are compared at once.
template <typename T>
void pool_maximum(const T* maps, const at::Tensor& rois, T spatial_scale, int64_t height,
                  int64_t width, at::Tensor& output, at::Tensor& argmax) {
  const int64_t channels = output.size(1);
  const int64_t pooled_height = output.size(2), pooled_width = output.size(3);
  const int64_t bins = pooled_height * pooled_width;
  const T* roi_data = rois.const_data_ptr<T>();
  T* out = output.mutable_data_ptr<T>();
  int32_t* out_where = argmax.mutable_data_ptr<int32_t>();

  at::parallel_for(0, rois.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<T> largest(channels);
    std::vector<int32_t> where(channels);
    for (int64_t k = begin; k < end; ++k) {
      const T* roi = roi_data + k * 5;
      const T* map = maps + static_cast<int64_t>(roi[0]) * height * width * channels;
      const BinAxis<T> rows(roi[2], roi[4], spatial_scale, 1, pooled_height, height);
      const BinAxis<T> columns(roi[1], roi[3], spatial_scale, 1, pooled_width, width);
      for (int64_t b = 0; b < bins; ++b) {
        const Range y = rows.bin(b / pooled_width);
        const Range x = columns.bin(b % pooled_width);
        // torchvision starts from the smallest finite float, whatever the dtype.
        std::fill(largest.begin(), largest.end(), y.empty() || x.empty() ? T(0) : T(-FLT_MAX));
        std::fill(where.begin(), where.end(), -1);
        simd::vectorised([&](auto) TORCHDET_INLINE {
          for (int64_t row = y.begin; row < y.end; ++row) {
            for (int64_t pixel = row * width + x.begin; pixel < row * width + x.end; ++pixel) {
              raise(map + pixel * channels, static_cast<int32_t>(pixel), channels, largest.data(),
                    where.data());
            }
          }
        });
        const int64_t first = k * channels * bins + b;
        for (int64_t c = 0; c < channels; ++c) out[first + c * bins] = largest[c];
        for (int64_t c = 0; c < channels; ++c) out_where[first + c * bins] = where[c];
      }
    }
  });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, int64_t pooled_height,
                                            int64_t pooled_width) {
  check_rois("roi_pool", input, rois, pooled_height, pooled_width);
  const at::Tensor maps = float_if_half(input).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices("roi_pool", boxes, input.size(0));
  const std::vector<int64_t> shape = {rois.size(0), input.size(1), pooled_height, pooled_width};
  at::Tensor output = at::empty(shape, maps.options());
  at::Tensor argmax = at::empty(shape, maps.options().dtype(at::kInt));
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "roi_pool", [&] {
      pool_maximum<scalar_t>(maps.const_data_ptr<scalar_t>(), boxes,
                             static_cast<scalar_t>(spatial_scale), input.size(2), input.size(3),
                             output, argmax);
    });
  }
  return {output.to(input.scalar_type()), argmax};
}

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                             const at::Tensor& argmax, double spatial_scale, int64_t pooled_height,
                             int64_t pooled_width, int64_t batch_size, int64_t channels,
                             int64_t height, int64_t width) {
  check_grad("_roi_pool_backward", grad, rois, pooled_height, pooled_width, channels);
  check_companion("_roi_pool_backward", "argmax", argmax, grad);
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  const at::Tensor positions = argmax.contiguous();
  check_image_indices("_roi_pool_backward", boxes, batch_size);
  at::Tensor grad_input = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() == 0) return grad_input.to(grad.scalar_type());

  AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_roi_pool_backward", [&] {
    const int64_t bins = pooled_height * pooled_width;
    const scalar_t* values = source.const_data_ptr<scalar_t>();
    const scalar_t* roi_data = boxes.const_data_ptr<scalar_t>();
    const int32_t* where = positions.const_data_ptr<int32_t>();
    scalar_t* result = grad_input.mutable_data_ptr<scalar_t>();
    // By channel: two RoIs may share a pixel, two channels never do.
    at::parallel_for(0, channels, 1, [&](int64_t begin, int64_t end) {
      for (int64_t k = 0; k < boxes.size(0); ++k) {
        const auto image = static_cast<int64_t>(roi_data[k * 5]);
        for (int64_t c = begin; c < end; ++c) {
          scalar_t* map = result + (image * channels + c) * height * width;
          const int64_t first = (k * channels + c) * bins;
          for (int64_t i = first; i < first + bins; ++i) {
            if (where[i] >= 0 && where[i] < height * width) map[where[i]] += values[i];
          }
        }
      }
    });
  });
  return grad_input.to(grad.scalar_type());
}

}  // namespace torchdet::ops::cpu
