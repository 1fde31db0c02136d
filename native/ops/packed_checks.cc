#include "packed_checks.h"

#include <ATen/ops/add.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/relu.h>

namespace torchdet::ops {

void check_maps(const char* name, const at::Tensor& input) {
  TORCH_CHECK(input.dim() == 4 && input.scalar_type() == at::kFloat && input.device().is_cpu(),
              name, " takes float32 N x C x H x W on the CPU, got ", input.scalar_type(), " ",
              input.sizes(), " on ", input.device());
}

bool must_be_spread(const After& after, at::IntArrayRef sizes) {
  return after.other && (after.other->sizes() != sizes || after.other->scalar_type() != at::kFloat);
}

at::Tensor added(const at::Tensor& result, const After& after) {
  const at::Tensor sum = at::add(result, *after.other);
  if (after.activation == "relu") return at::relu(sum);
  if (after.activation == "hardtanh") return at::hardtanh(sum, after.low, after.high);
  return after.activation == "hardswish" ? at::hardswish(sum) : sum;
}

Following following(const char* name, const at::Tensor& result, const at::Tensor& bias,
                    const After& after) {
  Following parts;
  TORCH_CHECK(bias.scalar_type() == at::kFloat && bias.dim() == 1, name,
              ": the bias must be a float32 vector, got ", bias.scalar_type(), " ", bias.sizes());
  parts.bias = bias.contiguous();
  parts.epilogue.bias = parts.bias.const_data_ptr<float>();
  if (after.other) {
    parts.other = after.other->contiguous(result.suggest_memory_format());
    parts.epilogue.other = parts.other.const_data_ptr<float>();
  }
  using Activation = Epilogue::Activation;
  if (after.activation == "relu") {
    parts.epilogue.activation = Activation::clamp;
  } else if (after.activation == "hardtanh") {
    parts.epilogue.activation = Activation::clamp;
    parts.epilogue.low = static_cast<float>(after.low);
    parts.epilogue.high = static_cast<float>(after.high);
  } else if (after.activation == "hardswish") {
    parts.epilogue.activation = Activation::hardswish;
  } else {
    TORCH_CHECK(after.activation == "none", name, ": no activation is called ", after.activation);
  }
  return parts;
}

}  // namespace torchdet::ops
