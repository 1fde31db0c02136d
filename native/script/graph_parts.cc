#include "graph_parts.h"

#include <torch/csrc/jit/ir/constants.h>

namespace torchdet::script {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

bool is(const Node* node, const char* name) {
  return node->kind() == c10::Symbol::fromQualString(name);
}

bool is_tensor(const Value* value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

Node* only_user(Value* value) {
  if (value->uses().size() != 1) return nullptr;
  Node* user = value->uses()[0].user;
  return user->owningBlock() == value->node()->owningBlock() ? user : nullptr;
}

std::optional<double> constant_number(Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isScalar()) return std::nullopt;
  return constant->toScalar().toDouble();
}

std::optional<Activation> activation_of(Node* node) {
  if (!node) return std::nullopt;
  if (is(node, "aten::relu") || is(node, "aten::relu_")) return Activation{"relu", {}};
  if (is(node, "aten::hardswish") || is(node, "aten::hardswish_"))
    return Activation{"hardswish", {}};
  if (is(node, "aten::relu6") || is(node, "aten::relu6_")) return Activation{"hardtanh", {0, 6}};
  if (is(node, "aten::hardtanh") || is(node, "aten::hardtanh_")) {
    const auto low = constant_number(node->input(1));
    const auto high = constant_number(node->input(2));
    if (low && high) return Activation{"hardtanh", {*low, *high}};
  }
  return std::nullopt;
}

Value* insert_scalars(Graph& graph, const std::vector<double>& scalars) {
  std::vector<Value*> values;
  for (const double scalar : scalars) values.push_back(graph.insertConstant(scalar));
  Node* list = graph.createList(c10::OptionalType::create(c10::NumberType::get()), values);
  return graph.insertNode(list)->output();
}

}  // namespace torchdet::script
