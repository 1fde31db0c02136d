// Position-sensitive RoIPool on the CPU, forward and backward: the mean of each bin, read from the
// bin's own channel (see ps_roi_align.cc).
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "roi_bins.h"
#include "roi_checks.h"

namespace torchdet::ops::cpu {

namespace {

struct Geometry {
  int64_t channels, height, width, pooled_height, pooled_width;
};

// Bins end before the last row and column when pooling but not when spreading the gradient back:
// torchvision's forward leaves them out, its backward does not, and training goes as it does there.
enum class Edge { left_out, included };

// RoIs whose bins are in memory at once.
constexpr int64_t kAtOnce = 64;

// Calls visit(index in the pooled tensor, offset of the channel in the maps, rows, columns) for
// every RoI and channel. Threads share channels out, as in ps_roi_align.cc.
template <typename T, typename Visit>
void for_each_bin(const Geometry& g, Edge edge, const T* rois, int64_t count, T spatial_scale,
                  const Visit& visit) {
  const int64_t cut = edge == Edge::left_out ? 1 : 0;
  at::parallel_for(0, g.channels, 1, [&](int64_t begin, int64_t end) {
    std::vector<BinAxis<T>> rows, columns;
    for (int64_t first = 0; first < count; first += kAtOnce) {
      const int64_t last = std::min(first + kAtOnce, count);
      rows.clear();
      columns.clear();
      for (int64_t k = first; k < last; ++k) {
        const T* roi = rois + k * 5;
        rows.emplace_back(roi[2], roi[4], spatial_scale, 0, g.pooled_height, g.height - cut);
        columns.emplace_back(roi[1], roi[3], spatial_scale, 0, g.pooled_width, g.width - cut);
      }
      for (int64_t c = begin; c < end; ++c) {
        const int64_t row_bin = c / g.pooled_width % g.pooled_height;
        const int64_t column_bin = c % g.pooled_width;
        for (int64_t k = first; k < last; ++k) {
          const int64_t plane = static_cast<int64_t>(rois[k * 5]) * g.channels + c;
          visit(k * g.channels + c, plane * g.height * g.width, rows[k - first].bin(row_bin),
                columns[k - first].bin(column_bin));
        }
      }
    }
  });
}

template <typename T>
void pool(const T* maps, const T* rois, int64_t count, const Geometry& g, T spatial_scale, T* out) {
  for_each_bin(g, Edge::left_out, rois, count, spatial_scale,
               [&](int64_t index, int64_t plane, const Range& y, const Range& x) {
                 T sum = 0;
                 for (int64_t row = y.begin; row < y.end; ++row) {
                   for (int64_t column = x.begin; column < x.end; ++column) {
                     sum += maps[plane + row * g.width + column];
                   }
                 }
                 const bool empty = y.empty() || x.empty();
                 out[index] = empty ? T(0) : sum / static_cast<T>(y.size() * x.size());
               });
}

template <typename T>
void spread(const T* grad, const T* rois, int64_t count, const Geometry& g, T spatial_scale,
            T* maps) {
  for_each_bin(g, Edge::included, rois, count, spatial_scale,
               [&](int64_t index, int64_t plane, const Range& y, const Range& x) {
                 if (y.empty() || x.empty()) return;
                 const T share = grad[index] / static_cast<T>(y.size() * x.size());
                 for (int64_t row = y.begin; row < y.end; ++row) {
                   for (int64_t column = x.begin; column < x.end; ++column) {
                     maps[plane + row * g.width + column] += share;
                   }
                 }
               });
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width) {
  check_rois("ps_roi_pool", input, rois, pooled_height, pooled_width);
  const int64_t channels_out =
      position_sensitive_channels("ps_roi_pool", input.size(1), pooled_height, pooled_width);
  const at::Tensor maps = float_if_half(input).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices("ps_roi_pool", boxes, input.size(0));
  at::Tensor output =
      at::empty({rois.size(0), channels_out, pooled_height, pooled_width}, maps.options());
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "ps_roi_pool", [&] {
      pool<scalar_t>(maps.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(),
                     rois.size(0),
                     {input.size(1), input.size(2), input.size(3), pooled_height, pooled_width},
                     static_cast<scalar_t>(spatial_scale), output.mutable_data_ptr<scalar_t>());
    });
  }
  return {output.to(input.scalar_type()), channel_mapping(output)};
}

at::Tensor ps_roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                                const at::Tensor& mapping, double spatial_scale,
                                int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                                int64_t channels, int64_t height, int64_t width) {
  const char* name = "_ps_roi_pool_backward";
  check_position_sensitive_grad(name, grad, rois, mapping, pooled_height, pooled_width, channels);
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  check_image_indices(name, boxes, batch_size);
  at::Tensor grad_input = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() > 0 && grad_input.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_ps_roi_pool_backward", [&] {
      spread<scalar_t>(source.const_data_ptr<scalar_t>(), boxes.const_data_ptr<scalar_t>(),
                       rois.size(0), {channels, height, width, pooled_height, pooled_width},
                       static_cast<scalar_t>(spatial_scale),
                       grad_input.mutable_data_ptr<scalar_t>());
    });
  }
  return grad_input.to(grad.scalar_type());
}

}  // namespace torchdet::ops::cpu
