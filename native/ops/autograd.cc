// Each function below runs the operator beneath autograd, keeps what its backward operator needs,
// and calls that for the gradient. Second derivatives are refused.
#include "autograd.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/autograd_not_implemented_fallback.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>
#include <utility>

#include "operators.h"

namespace torchdet::ops {

namespace {

using at::Tensor;
using c10::SymInt;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

template <typename Signature>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Sizes of the input and arguments of a RoI operator, kept from forward to backward.
void save_geometry(AutogradContext* ctx, const Tensor& input, double spatial_scale,
                   int64_t pooled_height, int64_t pooled_width) {
  ctx->saved_data["shape"] = input.sizes().vec();
  ctx->saved_data["scale"] = spatial_scale;
  ctx->saved_data["height"] = pooled_height;
  ctx->saved_data["width"] = pooled_width;
}

struct Geometry {
  explicit Geometry(AutogradContext* ctx)
      : shape(ctx->saved_data["shape"].toIntVector()),
        scale(ctx->saved_data["scale"].toDouble()),
        height(ctx->saved_data["height"].toInt()),
        width(ctx->saved_data["width"].toInt()) {}
  std::vector<int64_t> shape;
  double scale;
  int64_t height, width;
};

class RoiAlign : public torch::autograd::Function<RoiAlign> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& input, const Tensor& rois,
                               double spatial_scale, int64_t pooled_height, int64_t pooled_width,
                               int64_t sampling_ratio, bool aligned) {
    save_geometry(ctx, input, spatial_scale, pooled_height, pooled_width);
    ctx->saved_data["sampling"] = sampling_ratio;
    ctx->saved_data["aligned"] = aligned;
    ctx->saved_data["format"] = static_cast<int64_t>(input.suggest_memory_format());
    ctx->save_for_backward({rois});
    at::AutoDispatchBelowADInplaceOrView below;
    return {roi_align(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio,
                      aligned)};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    static const auto op =
        find<Tensor(const Tensor&, const Tensor&, double, SymInt, SymInt, SymInt, SymInt, SymInt,
                    SymInt, int64_t, bool)>("torchvision::_roi_align_backward");
    const Geometry g(ctx);
    const Tensor grad =
        op.call(grads[0], ctx->get_saved_variables()[0], g.scale, g.height, g.width, g.shape[0],
                g.shape[1], g.shape[2], g.shape[3], ctx->saved_data["sampling"].toInt(),
                ctx->saved_data["aligned"].toBool());
    // The layout of the input, so that the layers before need not convert.
    const auto format = static_cast<at::MemoryFormat>(ctx->saved_data["format"].toInt());
    return {grad.contiguous(format), {}, {}, {}, {}, {}, {}};
  }
};

// The three operators whose forward gives a second, integer tensor for the backward.
class RoiPool : public torch::autograd::Function<RoiPool> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& input, const Tensor& rois,
                               double spatial_scale, int64_t pooled_height, int64_t pooled_width) {
    save_geometry(ctx, input, spatial_scale, pooled_height, pooled_width);
    at::AutoDispatchBelowADInplaceOrView below;
    auto [output, argmax] = roi_pool(input, rois, spatial_scale, pooled_height, pooled_width);
    ctx->save_for_backward({rois, argmax});
    ctx->mark_non_differentiable({argmax});
    return {output, argmax};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    static const auto op =
        find<Tensor(const Tensor&, const Tensor&, const Tensor&, double, SymInt, SymInt, SymInt,
                    SymInt, SymInt, SymInt)>("torchvision::_roi_pool_backward");
    const auto saved = ctx->get_saved_variables();
    const Geometry g(ctx);
    return {op.call(grads[0], saved[0], saved[1], g.scale, g.height, g.width, g.shape[0],
                    g.shape[1], g.shape[2], g.shape[3]),
            {},
            {},
            {},
            {}};
  }
};

class PsRoiAlign : public torch::autograd::Function<PsRoiAlign> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& input, const Tensor& rois,
                               double spatial_scale, int64_t pooled_height, int64_t pooled_width,
                               int64_t sampling_ratio) {
    save_geometry(ctx, input, spatial_scale, pooled_height, pooled_width);
    ctx->saved_data["sampling"] = sampling_ratio;
    at::AutoDispatchBelowADInplaceOrView below;
    auto [output, mapping] =
        ps_roi_align(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio);
    ctx->save_for_backward({rois, mapping});
    ctx->mark_non_differentiable({mapping});
    return {output, mapping};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    static const auto op =
        find<Tensor(const Tensor&, const Tensor&, const Tensor&, double, SymInt, SymInt, int64_t,
                    SymInt, SymInt, SymInt, SymInt)>("torchvision::_ps_roi_align_backward");
    const auto saved = ctx->get_saved_variables();
    const Geometry g(ctx);
    return {op.call(grads[0], saved[0], saved[1], g.scale, g.height, g.width,
                    ctx->saved_data["sampling"].toInt(), g.shape[0], g.shape[1], g.shape[2],
                    g.shape[3]),
            {},
            {},
            {},
            {},
            {}};
  }
};

class PsRoiPool : public torch::autograd::Function<PsRoiPool> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& input, const Tensor& rois,
                               double spatial_scale, int64_t pooled_height, int64_t pooled_width) {
    save_geometry(ctx, input, spatial_scale, pooled_height, pooled_width);
    at::AutoDispatchBelowADInplaceOrView below;
    auto [output, mapping] = ps_roi_pool(input, rois, spatial_scale, pooled_height, pooled_width);
    ctx->save_for_backward({rois, mapping});
    ctx->mark_non_differentiable({mapping});
    return {output, mapping};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    static const auto op =
        find<Tensor(const Tensor&, const Tensor&, const Tensor&, double, SymInt, SymInt, SymInt,
                    SymInt, SymInt, SymInt)>("torchvision::_ps_roi_pool_backward");
    const auto saved = ctx->get_saved_variables();
    const Geometry g(ctx);
    return {op.call(grads[0], saved[0], saved[1], g.scale, g.height, g.width, g.shape[0],
                    g.shape[1], g.shape[2], g.shape[3]),
            {},
            {},
            {},
            {}};
  }
};

class DeformConv2d : public torch::autograd::Function<DeformConv2d> {
 public:
  static variable_list forward(AutogradContext* ctx, const Tensor& input, const Tensor& weight,
                               const Tensor& offset, const Tensor& mask, const Tensor& bias,
                               std::vector<int64_t> geometry, bool use_mask) {
    at::AutoDispatchBelowADInplaceOrView below;
    const Tensor output =
        deform_conv2d(input, weight, offset, mask, bias, geometry[0], geometry[1], geometry[2],
                      geometry[3], geometry[4], geometry[5], geometry[6], geometry[7], use_mask);
    ctx->save_for_backward({input, weight, offset, mask, bias});
    ctx->saved_data["geometry"] = std::move(geometry);
    ctx->saved_data["use_mask"] = use_mask;
    return {output};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    static const auto op = find<std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>(
        const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&, const Tensor&,
        SymInt, SymInt, SymInt, SymInt, SymInt, SymInt, SymInt, SymInt, bool)>(
        "torchvision::_deform_conv2d_backward");
    const auto saved = ctx->get_saved_variables();
    const auto g = ctx->saved_data["geometry"].toIntVector();
    auto [input, weight, offset, mask, bias] =
        op.call(grads[0], saved[0], saved[1], saved[2], saved[3], saved[4], g[0], g[1], g[2], g[3],
                g[4], g[5], g[6], g[7], ctx->saved_data["use_mask"].toBool());
    return {input, weight, offset, mask, bias, {}, {}};
  }
};

Tensor roi_align_autograd(const Tensor& input, const Tensor& rois, double spatial_scale,
                          int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                          bool aligned) {
  return RoiAlign::apply(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio,
                         aligned)[0];
}

std::tuple<Tensor, Tensor> roi_pool_autograd(const Tensor& input, const Tensor& rois,
                                             double spatial_scale, int64_t pooled_height,
                                             int64_t pooled_width) {
  const auto results = RoiPool::apply(input, rois, spatial_scale, pooled_height, pooled_width);
  return {results[0], results[1]};
}

std::tuple<Tensor, Tensor> ps_roi_align_autograd(const Tensor& input, const Tensor& rois,
                                                 double spatial_scale, int64_t pooled_height,
                                                 int64_t pooled_width, int64_t sampling_ratio) {
  const auto results =
      PsRoiAlign::apply(input, rois, spatial_scale, pooled_height, pooled_width, sampling_ratio);
  return {results[0], results[1]};
}

std::tuple<Tensor, Tensor> ps_roi_pool_autograd(const Tensor& input, const Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width) {
  const auto results = PsRoiPool::apply(input, rois, spatial_scale, pooled_height, pooled_width);
  return {results[0], results[1]};
}

Tensor deform_conv2d_autograd(const Tensor& input, const Tensor& weight, const Tensor& offset,
                              const Tensor& mask, const Tensor& bias, int64_t stride_h,
                              int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h,
                              int64_t dilation_w, int64_t groups, int64_t offset_groups,
                              bool use_mask) {
  return DeformConv2d::apply(input, weight, offset, mask, bias,
                             std::vector<int64_t>{stride_h, stride_w, pad_h, pad_w, dilation_h,
                                                  dilation_w, groups, offset_groups},
                             use_mask)[0];
}

// Each runs its operator in float32, with autocast off, and gives a result of the input's type.
template <c10::DeviceType Device>
struct Autocast {
  static Tensor wide(const Tensor& tensor) {
    return at::autocast::cached_cast(at::kFloat, tensor, Device);
  }

  using Off = c10::impl::ExcludeDispatchKeyGuard;
  static c10::DispatchKeySet key() {
    return c10::DispatchKeySet(at::autocast::get_autocast_dispatch_key_from_device_type(Device));
  }

  static Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
    const Off off(key());
    return ops::nms(wide(boxes), wide(scores), iou_threshold);
  }

  static Tensor roi_align(const Tensor& input, const Tensor& rois, double spatial_scale,
                          int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                          bool aligned) {
    const Off off(key());
    return ops::roi_align(wide(input), wide(rois), spatial_scale, pooled_height, pooled_width,
                          sampling_ratio, aligned)
        .to(input.scalar_type());
  }

  static std::tuple<Tensor, Tensor> roi_pool(const Tensor& input, const Tensor& rois,
                                             double spatial_scale, int64_t pooled_height,
                                             int64_t pooled_width) {
    const Off off(key());
    const auto [pooled, argmax] =
        ops::roi_pool(wide(input), wide(rois), spatial_scale, pooled_height, pooled_width);
    return {pooled.to(input.scalar_type()), argmax};
  }

  static std::tuple<Tensor, Tensor> ps_roi_align(const Tensor& input, const Tensor& rois,
                                                 double spatial_scale, int64_t pooled_height,
                                                 int64_t pooled_width, int64_t sampling_ratio) {
    const Off off(key());
    const auto [pooled, mapping] = ops::ps_roi_align(wide(input), wide(rois), spatial_scale,
                                                     pooled_height, pooled_width, sampling_ratio);
    return {pooled.to(input.scalar_type()), mapping};
  }

  static std::tuple<Tensor, Tensor> ps_roi_pool(const Tensor& input, const Tensor& rois,
                                                double spatial_scale, int64_t pooled_height,
                                                int64_t pooled_width) {
    const Off off(key());
    const auto [pooled, mapping] =
        ops::ps_roi_pool(wide(input), wide(rois), spatial_scale, pooled_height, pooled_width);
    return {pooled.to(input.scalar_type()), mapping};
  }

  static Tensor deform_conv2d(const Tensor& input, const Tensor& weight, const Tensor& offset,
                              const Tensor& mask, const Tensor& bias, int64_t stride_h,
                              int64_t stride_w, int64_t pad_h, int64_t pad_w, int64_t dilation_h,
                              int64_t dilation_w, int64_t groups, int64_t offset_groups,
                              bool use_mask) {
    const Off off(key());
    return ops::deform_conv2d(wide(input), wide(weight), wide(offset), wide(mask), wide(bias),
                              stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups,
                              offset_groups, use_mask)
        .to(input.scalar_type());
  }
};

using CpuAutocast = Autocast<c10::DeviceType::CPU>;
using CudaAutocast = Autocast<c10::DeviceType::CUDA>;

}  // namespace

void register_autograd(torch::Library& library) {
  library.impl("roi_align", TORCH_FN(roi_align_autograd));
  library.impl("roi_pool", TORCH_FN(roi_pool_autograd));
  library.impl("ps_roi_align", TORCH_FN(ps_roi_align_autograd));
  library.impl("ps_roi_pool", TORCH_FN(ps_roi_pool_autograd));
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d_autograd));
  for (const char* backward :
       {"_roi_align_backward", "_roi_pool_backward", "_ps_roi_align_backward",
        "_ps_roi_pool_backward", "_deform_conv2d_backward"}) {
    library.impl(backward, torch::autograd::autogradNotImplementedFallback());
  }
}

void register_autocast(torch::Library& library) {
  library.impl("nms", TORCH_FN(CpuAutocast::nms));
  library.impl("roi_align", TORCH_FN(CpuAutocast::roi_align));
}

void register_cuda_autocast(torch::Library& library) {
  library.impl("nms", TORCH_FN(CudaAutocast::nms));
  library.impl("roi_align", TORCH_FN(CudaAutocast::roi_align));
  library.impl("roi_pool", TORCH_FN(CudaAutocast::roi_pool));
  library.impl("ps_roi_align", TORCH_FN(CudaAutocast::ps_roi_align));
  library.impl("ps_roi_pool", TORCH_FN(CudaAutocast::ps_roi_pool));
  library.impl("deform_conv2d", TORCH_FN(CudaAutocast::deform_conv2d));
}

}  // namespace torchdet::ops
