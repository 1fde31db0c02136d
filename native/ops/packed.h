// Layers of a network with weights that are packed once, for inference on the CPU in float32: 3 x 3
// convolutions by Winograd's minimal filtering, and convolutions of one pixel and linear layers as
// products of panels. What follows a layer (a sum, an activation) is done with it. A PackedWeight
// owns its values; the functions own nothing and return new tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

namespace torchdet::ops {

// Which activation follows: "none", "relu", "hardtanh" (with low and high) or "hardswish".
struct After {
  std::string activation = "none";
  double low = 0;
  double high = 0;
  std::optional<at::Tensor> other;  // added before the activation; as large as the result
};

// Weight K x C x 3 x 3 in the form winograd_conv2d takes: 36 rows, one for each point, packed for
// this machine's registers.
at::Tensor pack_winograd(const at::Tensor& weight);

// Stride 1, padding 1: N x C x H x W (channels last is read without a copy) to N x K x H x W,
// channels last. F(4x4, 3x3) (https://arxiv.org/abs/1509.09308) takes a quarter of the
// multiplications; results differ from the direct sum by up to 2e-5 of the largest. `bias` has K
// values.
at::Tensor winograd_conv2d(const at::Tensor& input, const at::Tensor& packed,
                           const at::Tensor& bias, const After& after);

// Weight K x C (or K x C x 1 x 1) in the form packed_linear and pointwise_conv2d take.
at::Tensor pack_linear(const at::Tensor& weight);

// A convolution of one pixel, without padding: N x C x H x W to N x K x H' x W', channels last.
at::Tensor pointwise_conv2d(const at::Tensor& input, const at::Tensor& packed,
                            const at::Tensor& bias, int64_t stride, const After& after);

// ... x C to ... x K.
at::Tensor packed_linear(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                         const After& after);

}  // namespace torchdet::ops
