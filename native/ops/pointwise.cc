#include <ATen/Parallel.h>
#include <ATen/TensorIndexing.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "packed.h"
#include "packed_checks.h"
#include "panels.h"

namespace torchdet::ops {
namespace {

// Rows that a thread takes at least: fewer are not worth a thread.
constexpr int64_t kGrain = 48;

void check_packed(const char* name, const at::Tensor& packed, int64_t inputs, int64_t outputs) {
  TORCH_CHECK(packed.dim() == 1 && packed.numel() == panels::packed_size(inputs, outputs), name,
              ": the weight has ", packed.numel(), " packed values, not those of ", inputs,
              " inputs and ", outputs, " outputs as pack_linear gives it");
}

// rows x inputs, close together, to rows x outputs.
void multiply_rows(const float* from, int64_t rows, int64_t inputs, const at::Tensor& packed,
                   int64_t outputs, const Epilogue& epilogue, float* to) {
  const float* weights = packed.const_data_ptr<float>();
  at::parallel_for(0, rows, kGrain, [&](int64_t begin, int64_t end) {
    Epilogue here = epilogue;
    if (here.other != nullptr) here.other += begin * outputs;
    panels::multiply(from + begin * inputs, inputs, end - begin, weights, inputs, outputs,
                     to + begin * outputs, outputs, here);
  });
}

// Every stride-th pixel, each way.
at::Tensor thinned(const at::Tensor& maps, int64_t stride) {
  using at::indexing::Slice;
  if (stride == 1) return maps;
  return maps
      .index({Slice(), Slice(), Slice(at::indexing::None, at::indexing::None, stride),
              Slice(at::indexing::None, at::indexing::None, stride)})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

at::Tensor pack_linear(const at::Tensor& weight) {
  TORCH_CHECK(
      weight.dim() == 2 || (weight.dim() == 4 && weight.size(2) == 1 && weight.size(3) == 1),
      "pack_linear takes K x C or K x C x 1 x 1, got ", weight.sizes());
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  const at::Tensor columns =
      weight.detach().reshape({outputs, inputs}).t().to(at::kFloat).contiguous();
  at::Tensor packed = at::empty({panels::packed_size(inputs, outputs)}, at::kFloat);
  panels::pack(columns.const_data_ptr<float>(), inputs, outputs, packed.mutable_data_ptr<float>());
  return packed;
}

at::Tensor pointwise_conv2d(const at::Tensor& input, const at::Tensor& packed,
                            const at::Tensor& bias, int64_t stride, const After& after) {
  check_maps("pointwise_conv2d", input);
  const int64_t outputs = bias.numel();
  check_packed("pointwise_conv2d", packed, input.size(1), outputs);
  const at::Tensor maps = thinned(input.contiguous(at::MemoryFormat::ChannelsLast), stride);
  const std::vector<int64_t> sizes = {maps.size(0), outputs, maps.size(2), maps.size(3)};
  if (must_be_spread(after, sizes)) {
    return added(pointwise_conv2d(input, packed, bias, stride, {}), after);
  }
  at::Tensor result =
      at::empty(sizes, maps.options().memory_format(at::MemoryFormat::ChannelsLast));
  const Following parts = following("pointwise_conv2d", result, bias, after);
  const int64_t rows = maps.size(0) * maps.size(2) * maps.size(3);
  multiply_rows(maps.const_data_ptr<float>(), rows, maps.size(1), packed, outputs, parts.epilogue,
                result.mutable_data_ptr<float>());
  return result;
}

at::Tensor packed_linear(const at::Tensor& input, const at::Tensor& packed, const at::Tensor& bias,
                         const After& after) {
  TORCH_CHECK(input.dim() >= 1 && input.scalar_type() == at::kFloat && input.device().is_cpu(),
              "packed_linear takes float32 ... x C on the CPU, got ", input.scalar_type(), " ",
              input.sizes(), " on ", input.device());
  const int64_t inputs = input.size(-1), outputs = bias.numel();
  check_packed("packed_linear", packed, inputs, outputs);
  const at::Tensor rows = input.contiguous();
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = outputs;
  if (must_be_spread(after, sizes)) return added(packed_linear(input, packed, bias, {}), after);
  at::Tensor result = at::empty(sizes, rows.options());
  const Following parts = following("packed_linear", result, bias, after);
  const int64_t count =
      inputs == 0 ? result.numel() / std::max<int64_t>(outputs, 1) : rows.numel() / inputs;
  multiply_rows(rows.const_data_ptr<float>(), count, inputs, packed, outputs, parts.epilogue,
                result.mutable_data_ptr<float>());
  return result;
}

}  // namespace torchdet::ops
