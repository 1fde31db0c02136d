#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/core/DeviceGuard.h>

#include "../ops/roi_checks.h"
#include "kernels/roi_pool.h"
#include "launch.h"
#include "operators.h"

namespace torchdet::cuda {

namespace {

using ops::check_companion;
using ops::check_grad;
using ops::check_position_sensitive_grad;
using ops::check_rois;
using ops::float_if_half;
using ops::position_sensitive_channels;

template <typename T>
RoiBins<T> roi_bins(const at::Tensor& boxes, int64_t images, int64_t channels,
                    int64_t pooled_height, int64_t pooled_width) {
  return {boxes.const_data_ptr<T>(), images, channels, pooled_height, pooled_width, /*sampling=*/0,
          /*aligned=*/false};
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, int64_t pooled_height,
                                            int64_t pooled_width) {
  check_rois("roi_pool", input, rois, pooled_height, pooled_width);
  const c10::DeviceGuard guard(input.device());
  const at::Tensor maps = float_if_half(input).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  const std::vector<int64_t> shape = {rois.size(0), input.size(1), pooled_height, pooled_width};
  at::Tensor output = at::empty(shape, maps.options());
  at::Tensor argmax = at::empty(shape, maps.options().dtype(at::kInt));
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "roi_pool", [&] {
      launch(
          RoiPoolForward<scalar_t>{
              {roi_bins<scalar_t>(boxes, input.size(0), input.size(1), pooled_height, pooled_width),
               input.size(2), input.size(3), static_cast<scalar_t>(spatial_scale), /*extra=*/1,
               /*cut=*/0},
              maps.const_data_ptr<scalar_t>(),
              output.mutable_data_ptr<scalar_t>(),
              argmax.mutable_data_ptr<int32_t>()},
          output.numel());
    });
  }
  return {output.to(input.scalar_type()), argmax};
}

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                             const at::Tensor& argmax, double /*spatial_scale*/,
                             int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                             int64_t channels, int64_t height, int64_t width) {
  check_grad("_roi_pool_backward", grad, rois, pooled_height, pooled_width, channels);
  check_companion("_roi_pool_backward", "argmax", argmax, grad);
  const c10::DeviceGuard guard(grad.device());
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  const at::Tensor positions = argmax.contiguous();
  at::Tensor maps = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() > 0 && maps.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "_roi_pool_backward", [&] {
      launch(
          RoiPoolBackward<scalar_t>{
              roi_bins<scalar_t>(boxes, batch_size, channels, pooled_height, pooled_width),
              height * width, source.const_data_ptr<scalar_t>(),
              positions.const_data_ptr<int32_t>(), maps.mutable_data_ptr<scalar_t>()},
          source.numel());
    });
  }
  return maps.to(grad.scalar_type());
}

std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, int64_t pooled_height,
                                               int64_t pooled_width) {
  check_rois("ps_roi_pool", input, rois, pooled_height, pooled_width);
  const int64_t channels_out =
      position_sensitive_channels("ps_roi_pool", input.size(1), pooled_height, pooled_width);
  const c10::DeviceGuard guard(input.device());
  const at::Tensor maps = float_if_half(input).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  at::Tensor output =
      at::empty({rois.size(0), channels_out, pooled_height, pooled_width}, maps.options());
  if (output.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(maps.scalar_type(), "ps_roi_pool", [&] {
      // Bins end before the last row and column here but not in the backward, as torchvision's do.
      launch(
          PsRoiPoolForward<scalar_t>{
              {roi_bins<scalar_t>(boxes, input.size(0), input.size(1), pooled_height, pooled_width),
               input.size(2), input.size(3), static_cast<scalar_t>(spatial_scale), /*extra=*/0,
               /*cut=*/1},
              maps.const_data_ptr<scalar_t>(),
              output.mutable_data_ptr<scalar_t>()},
          output.numel());
    });
  }
  return {output.to(input.scalar_type()), ops::channel_mapping(output)};
}

at::Tensor ps_roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois,
                                const at::Tensor& mapping, double spatial_scale,
                                int64_t pooled_height, int64_t pooled_width, int64_t batch_size,
                                int64_t channels, int64_t height, int64_t width) {
  const char* name = "_ps_roi_pool_backward";
  check_position_sensitive_grad(name, grad, rois, mapping, pooled_height, pooled_width, channels);
  const c10::DeviceGuard guard(grad.device());
  const at::Tensor source = float_if_half(grad).contiguous();
  const at::Tensor boxes = float_if_half(rois).contiguous();
  at::Tensor maps = at::zeros({batch_size, channels, height, width}, source.options());
  if (source.numel() > 0 && maps.numel() > 0) {
    AT_DISPATCH_FLOATING_TYPES(source.scalar_type(), "ps_backward", [&] {
      launch(
          PsRoiPoolBackward<scalar_t>{
              {roi_bins<scalar_t>(boxes, batch_size, channels, pooled_height, pooled_width), height,
               width, static_cast<scalar_t>(spatial_scale), /*extra=*/0, /*cut=*/0},
              source.const_data_ptr<scalar_t>(),
              maps.mutable_data_ptr<scalar_t>()},
          source.numel());
    });
  }
  return maps.to(grad.scalar_type());
}

}  // namespace torchdet::cuda
