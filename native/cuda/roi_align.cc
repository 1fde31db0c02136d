#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>

#include "../ops/roi_checks.h"
#include "kernels/roi_align.h"
#include "launch.h"
#include "operators.h"

namespace torchdet::cuda {

namespace {

using ops::check_grad;
using ops::check_position_sensitive_grad;
using ops::check_rois;
using ops::float_if_half;
using ops::position_sensitive_channels;

// The type that maps of type T are pooled in.
template <typename T>
struct NumberOf {
  using type = T;
};
template <>
struct NumberOf<c10::Half> {
  using type = float;
};
template <>
struct NumberOf<c10::BFloat16> {
  using type = float;
};

template <typename T>
void pool(const std::vector<at::Tensor>& maps, const at::Tensor& boxes, const int64_t* level_of,
          at::ArrayRef<double> scales, int64_t sampling_ratio, bool aligned, bool channels_last,
          at::Tensor& output) {
  using Number = typename NumberOf<T>::type;
  RoiAlignForward<T, Number> kernel = {};
  kernel.roi = {boxes.const_data_ptr<Number>(),
                maps[0].size(0),
                maps[0].size(1),
                output.size(2),
                output.size(3),
                sampling_ratio,
                aligned};
  for (size_t i = 0; i < maps.size(); ++i) {
    kernel.levels[i] = {maps[i].const_data_ptr<T>(), maps[i].size(2), maps[i].size(3),
                        static_cast<Number>(scales[i])};
  }
  kernel.level_count = static_cast<int64_t>(maps.size());
  kernel.level_of = level_of;
  kernel.channels_last = channels_last;
  kernel.out = output.mutable_data_ptr<T>();
  launch(kernel, output.numel());
}

at::Tensor pool_maps(std::vector<at::Tensor> maps, const at::Tensor& rois, const int64_t* level_of,
                     at::ArrayRef<double> scales, int64_t pooled_height, int64_t pooled_width,
                     int64_t sampling_ratio, bool aligned) {
  const auto format = maps[0].suggest_memory_format();
  for (at::Tensor& map : maps) map = map.contiguous(format);
  const at::Tensor boxes = float_if_half(rois).contiguous();
  at::Tensor output =
      at::empty({rois.size(0), maps[0].size(1), pooled_height, pooled_width}, maps[0].options());
  if (output.numel() == 0) return output;
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, maps[0].scalar_type(), "roi_align", [&] {
        pool<scalar_t>(maps, boxes, level_of, scales, sampling_ratio, aligned,
                       format == at::MemoryFormat::ChannelsLast, output);
      });
  return output;
}

}  // namespace

at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                     bool aligned) {
  check_rois("roi_align", input, rois, pooled_height, pooled_width);
  const c10::DeviceGuard guard(input.device());
  return pool_maps({input}, rois, nullptr, {spatial_scale}, pooled_height, pooled_width,
                   sampling_ratio, aligned);
}

at::Tensor pool_levels(at::TensorList maps, const at::Tensor& rois, const at::Tensor& levels,
                       at::ArrayRef<double> scales, int64_t pooled_height, int64_t pooled_width,
                       int64_t sampling_ratio) {
  TORCH_CHECK(!maps.empty() && maps.size() <= kMaxLevels && maps.size() == scales.size(),
              "pool_levels: 1 to ", kMaxLevels, " maps are needed and a scale for each, got ",
              maps.size(), " and ", scales.size());
  TORCH_CHECK(levels.dim() == 1 && levels.size(0) == rois.size(0) &&
                  levels.scalar_type() == at::kLong && levels.device() == rois.device(),
              "pool_levels: levels must be int64 with one value for each of the ", rois.size(0),
              " RoIs, beside them");
  // Boxes stay float32 where autocast has made the maps smaller.
  const bool wider =
      rois.scalar_type() == at::kFloat && at::isReducedFloatingType(maps[0].scalar_type());
  for (const at::Tensor& map : maps) {
    check_rois("pool_levels", map, wider ? rois.to(map.scalar_type()) : rois, pooled_height,
               pooled_width);
    TORCH_CHECK(map.size(1) == maps[0].size(1) && map.size(0) == maps[0].size(0),
                "pool_levels: maps must agree in batch and channels, got shapes ", maps[0].sizes(),
                " and ", map.sizes());
  }
  const c10::DeviceGuard guard(rois.device());
  const at::Tensor level_of = levels.contiguous();
  return pool_maps(maps.vec(), rois, level_of.const_data_ptr<int64_t>(), scales, pooled_height,
                   pooled_width, sampling_ratio, /*aligned=*/false);
}

at::Tensor roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, double spatial_scale,
                              int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                              int64_t channels, int64_t height, int64_t width,
                              int64_t sampling_ratio, bool aligned) {
  check_grad("_roi_align_backward", grad, rois, pooled_height, pooled_width, channels);
  const c10::DeviceGuard guard(grad.device());
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  // N x H x W x C in memory, seen as N x C x H x W.
  at::Tensor map =
      at::zeros({batch_size, height, width, channels}, source.options()).permute({0, 3, 1, 2});
  if (source.numel() > 0 && map.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_roi_align_backward", [&] {
      launch(RoiAlignBackward<scalar_t>{{boxes.const_data_ptr<scalar_t>(), batch_size, channels,
                                         pooled_height, pooled_width, sampling_ratio, aligned},
                                        height,
                                        width,
                                        static_cast<scalar_t>(spatial_scale),
                                        source.const_data_ptr<scalar_t>(),
                                        map.mutable_data_ptr<scalar_t>()},
             source.numel());
    });
  }
  return map.to(grad.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width, int64_t sampling_ratio) {
  check_rois("ps_roi_align", input, rois, pooled_height, pooled_width);
  const int64_t channels_out =
      position_sensitive_channels("ps_roi_align", input.size(1), pooled_height, pooled_width);
  const c10::DeviceGuard guard(input.device());
  const at::Tensor maps = float_if_half(input).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  at::Tensor output =
      at::empty({rois.size(0), channels_out, pooled_height, pooled_width}, maps.options());
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "ps_roi_align", [&] {
      launch(PsRoiAlignForward<scalar_t>{{boxes.const_data_ptr<scalar_t>(), input.size(0),
                                          input.size(1), pooled_height, pooled_width,
                                          sampling_ratio, /*aligned=*/true},
                                         input.size(2),
                                         input.size(3),
                                         static_cast<scalar_t>(spatial_scale),
                                         maps.const_data_ptr<scalar_t>(),
                                         output.mutable_data_ptr<scalar_t>()},
             output.numel());
    });
  }
  return {output.to(input.scalar_type()), ops::channel_mapping(output)};
}

at::Tensor ps_roi_align_backward(const at::Tensor& grad, const at::Tensor& rois,
                                 const at::Tensor& mapping, double spatial_scale,
                                 int64_t pooled_height, int64_t pooled_width,
                                 int64_t sampling_ratio, int64_t batch_size, int64_t channels,
                                 int64_t height, int64_t width) {
  const char* name = "_ps_roi_align_backward";
  check_position_sensitive_grad(name, grad, rois, mapping, pooled_height, pooled_width, channels);
  const c10::DeviceGuard guard(grad.device());
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  at::Tensor maps = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() > 0 && maps.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "ps_backward", [&] {
      launch(PsRoiAlignBackward<scalar_t>{{boxes.const_data_ptr<scalar_t>(), batch_size, channels,
                                           pooled_height, pooled_width, sampling_ratio,
                                           /*aligned=*/true},
                                          height,
                                          width,
                                          static_cast<scalar_t>(spatial_scale),
                                          source.const_data_ptr<scalar_t>(),
                                          maps.mutable_data_ptr<scalar_t>()},
             source.numel());
    });
  }
  return maps.to(grad.scalar_type());
}

}  // namespace torchdet::cuda
