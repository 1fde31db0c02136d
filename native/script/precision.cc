#include "precision.h"

#include <torch/csrc/jit/ir/constants.h>

#include "graph_parts.h"
#include "quantize.h"
#include "quantize_observer.h"

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

Value* insert_cast(Graph& graph, Value* value, at::ScalarType dtype) {
  Value* no = graph.insertConstant(false);
  return graph
      .insertNode(
          graph.create(c10::aten::to, {value, graph.insertConstant(static_cast<int64_t>(dtype)), no,
                                       no, graph.insertConstant(c10::IValue())}))
      ->output();
}

// torchvision's own operators compute in float32.
void cast_around(Graph& graph, Node* node, at::ScalarType dtype) {
  torch::jit::WithInsertPoint before(node);
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    if (is_tensor(node->input(i)))
      node->replaceInput(i, insert_cast(graph, node->input(i), at::kFloat));
  }
  torch::jit::WithInsertPoint after(node->next());
  for (Value* output : node->outputs()) {
    if (!is_tensor(output)) continue;
    Value* cast = insert_cast(graph, output, dtype);
    output->replaceAllUsesAfterNodeWith(cast->node(), cast);
  }
}

// Weights become `dtype`; what is made of them and of an input of that type then is too.
void to_half(Graph& graph, Block* block, at::ScalarType dtype) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (Block* inner : node->blocks()) to_half(graph, inner, dtype);
    if (node->kind() == c10::prim::Constant && is_tensor(node->output())) {
      const at::Tensor tensor = torch::jit::toIValue(node->output())->toTensor();
      if (tensor.scalar_type() != at::kFloat) continue;
      torch::jit::WithInsertPoint at(node);
      node->output()->replaceAllUsesWith(graph.insertConstant(tensor.to(dtype)));
      node->destroy();
    } else if (std::string(node->kind().toQualString()).rfind("torchvision::", 0) == 0) {
      cast_around(graph, node, dtype);
    }
  }
}

// The heads' last layers say what is found and where: they cost little and are rounded last.
KeptLayers kept_layers(const std::string& part) {
  return part == "box_predictor" ? KeptLayers::kLast : KeptLayers::kNone;
}

}  // namespace

bool apply_precision(Graph& graph, const PartPlan& plan) {
  const PrecisionPlan& network = plan.network;
  if (network.observer) {
    network.observer->watch(plan.part, graph);
    return false;
  }
  if (const auto dtype = half_type(network.precision)) to_half(graph, graph.block(), *dtype);
  if (network.precision == Precision::kInt8) {
    const auto& parts = network.calibration->parts;
    const auto ranges = parts.find(plan.part);
    if (ranges == parts.end()) throw CalibrationError("it has no part " + plan.part);
    try {
      quantize(graph, ranges->second, kept_layers(plan.part));
    } catch (const CalibrationError& error) {
      throw CalibrationError(plan.part + ": " + error.what());
    }
  }
  return true;
}

}  // namespace torchdet::script
