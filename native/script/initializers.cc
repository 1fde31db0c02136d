#include "initializers.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cmath>

namespace torchdet::script {
namespace {

struct Fans {
  double in = 0;
  double out = 0;
};

// As torch.nn.init: dimension 1 counts inputs, dimension 0 outputs, the rest is the receptive
// field.
Fans fans_of(const ParameterSpec& spec) {
  TORCH_CHECK(spec.shape.size() >= 2, "parameter '", spec.name,
              "': fan in and fan out need at least 2 dimensions, its shape is ",
              at::IntArrayRef(spec.shape));
  double field = 1;
  for (size_t i = 2; i < spec.shape.size(); ++i) field *= static_cast<double>(spec.shape[i]);
  return {static_cast<double>(spec.shape[1]) * field, static_cast<double>(spec.shape[0]) * field};
}

double kaiming_std(const ParameterSpec& spec) {
  const Initializer& init = spec.init;
  const Fans fans = fans_of(spec);
  double gain = 1;
  if (init.nonlinearity == "relu") gain = std::sqrt(2.0);
  if (init.nonlinearity == "leakyRelu") gain = std::sqrt(2.0 / (1 + init.first * init.first));
  return gain / std::sqrt(init.fan_out ? fans.out : fans.in);
}

}  // namespace

at::Tensor make_parameter(const ParameterSpec& spec, const at::Generator& generator) {
  at::Tensor tensor = at::empty(spec.shape, at::kFloat);
  const Initializer& init = spec.init;
  switch (init.kind) {
    case Initializer::Kind::kConstant:
      return tensor.fill_(init.first);
    case Initializer::Kind::kNormal:
      return tensor.normal_(init.first, init.second, generator);
    case Initializer::Kind::kUniform:
      return tensor.uniform_(init.first, init.second, generator);
    case Initializer::Kind::kKaimingNormal:
      return tensor.normal_(0, kaiming_std(spec), generator);
    case Initializer::Kind::kKaimingUniform: {
      const double bound = std::sqrt(3.0) * kaiming_std(spec);
      return tensor.uniform_(-bound, bound, generator);
    }
    case Initializer::Kind::kXavierUniform: {
      const Fans fans = fans_of(spec);
      const double bound = std::sqrt(3.0) * init.first * std::sqrt(2.0 / (fans.in + fans.out));
      return tensor.uniform_(-bound, bound, generator);
    }
  }
  return tensor;
}

at::Tensor make_buffer(const BufferSpec& spec) {
  return at::full(spec.shape, spec.value, spec.integral ? at::kLong : at::kFloat);
}

}  // namespace torchdet::script
