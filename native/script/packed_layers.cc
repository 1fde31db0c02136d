#include "packed_layers.h"

#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>

#include "../ops/packed.h"

namespace torchdet::script {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// Below these oneDNN's convolutions are faster: measured with 3, 16, 19 and 32 channels.
constexpr int64_t kLeastChannels = 16;
// Outputs of a product that do not fill two registers.
constexpr int64_t kLeastOutputs = 32;

at::Tensor tensor_of(Value* value) { return torch::jit::toIValue(value)->toTensor(); }

bool are(Value* list, int64_t number) {
  const auto values = torch::jit::toIValue(list)->toIntVector();
  return std::all_of(values.begin(), values.end(), [&](int64_t value) { return value == number; });
}

// The operators want a bias.
at::Tensor bias_of(Value* value, int64_t outputs) {
  const auto constant = torch::jit::toIValue(value);
  return constant->isNone() ? at::zeros({outputs}, at::kFloat) : constant->toTensor().contiguous();
}

Value* insert(Graph& graph, const char* name, Value* input, const at::Tensor& packed,
              const at::Tensor& bias, const std::vector<Value*>& extra, const Tail& tail) {
  std::vector<Value*> inputs = {input, graph.insertConstant(packed), graph.insertConstant(bias)};
  inputs.insert(inputs.end(), extra.begin(), extra.end());
  const auto& [activation, scalars] = tail.activation;
  const bool bounded = scalars.size() == 2;
  inputs.push_back(graph.insertConstant(activation));
  inputs.push_back(graph.insertConstant(bounded ? scalars[0] : 0.0));
  inputs.push_back(graph.insertConstant(bounded ? scalars[1] : 0.0));
  inputs.push_back(tail.other ? tail.other : graph.insertConstant(c10::IValue()));
  Node* node = graph.create(c10::Symbol::fromQualString(name), inputs);
  return graph.insertNode(node)->output();
}

Value* insert_convolution(Graph& graph, Node* conv, const Tail& tail) {
  const at::Tensor weight = tensor_of(conv->input(1));
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  const bool plain = are(conv->input(3), 1) && are(conv->input(5), 1) &&
                     torch::jit::toIValue(conv->input(6))->toInt() == 1;
  if (!plain) return nullptr;
  const at::Tensor bias = bias_of(conv->input(2), outputs);
  if (weight.size(2) == 3 && weight.size(3) == 3 && are(conv->input(4), 1)) {
    if (std::min(inputs, outputs) < kLeastChannels) return nullptr;
    return insert(graph, "torchdet::winograd_conv2d", conv->input(0), ops::pack_winograd(weight),
                  bias, {}, tail);
  }
  if (weight.size(2) == 1 && weight.size(3) == 1 && are(conv->input(4), 0)) {
    if (outputs < kLeastOutputs) return nullptr;
    return insert(graph, "torchdet::pointwise_conv2d", conv->input(0), ops::pack_linear(weight),
                  bias, {graph.insertConstant(1)}, tail);
  }
  return nullptr;
}

}  // namespace

Value* insert_packed(Graph& graph, Node* layer, const Tail& tail) {
  const at::Tensor weight = tensor_of(layer->input(1));
  if (!weight.is_cpu() || weight.scalar_type() != at::kFloat) return nullptr;
  if (is(layer, "aten::conv2d")) {
    return insert_convolution(graph, layer, tail);
  }
  return insert(graph, "torchdet::packed_linear", layer->input(0), ops::pack_linear(weight),
                bias_of(layer->input(2), weight.size(0)), {}, tail);
}

}  // namespace torchdet::script
