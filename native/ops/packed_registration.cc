// Registers the packed layers as torchdet:: operators, which compiled graphs call. The
// registrations live as long as the process.
#include <torch/library.h>

#include "packed.h"

namespace torchdet::ops {
namespace {

After after_of(std::string_view activation, double low, double high,
               const std::optional<at::Tensor>& other) {
  return {std::string(activation), low, high, other};
}

at::Tensor winograd(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                    std::string_view activation, double low, double high,
                    const std::optional<at::Tensor>& other) {
  return winograd_conv2d(input, packed, bias, after_of(activation, low, high, other));
}

at::Tensor pointwise(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                     int64_t stride, std::string_view activation, double low, double high,
                     const std::optional<at::Tensor>& other) {
  return pointwise_conv2d(input, packed, bias, stride, after_of(activation, low, high, other));
}

at::Tensor linear(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                  std::string_view activation, double low, double high,
                  const std::optional<at::Tensor>& other) {
  return packed_linear(input, packed, bias, after_of(activation, low, high, other));
}

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  m.def("pack_winograd(Tensor weight) -> Tensor", TORCH_FN(pack_winograd));
  m.def(
      "winograd_conv2d(Tensor input, Tensor packed, Tensor bias, str activation=\"none\", float "
      "low=0, float high=0, Tensor? other=None) -> Tensor",
      TORCH_FN(winograd));
  m.def("pack_linear(Tensor weight) -> Tensor", TORCH_FN(pack_linear));
  m.def(
      "pointwise_conv2d(Tensor input, Tensor packed, Tensor bias, int stride=1, str "
      "activation=\"none\", float low=0, float high=0, Tensor? other=None) -> Tensor",
      TORCH_FN(pointwise));
  m.def(
      "packed_linear(Tensor input, Tensor packed, Tensor bias, str activation=\"none\", float "
      "low=0, float high=0, Tensor? other=None) -> Tensor",
      TORCH_FN(linear));
}

}  // namespace
}  // namespace torchdet::ops
