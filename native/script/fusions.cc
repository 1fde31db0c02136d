#include "fusions.h"

#include <torch/csrc/jit/ir/constants.h>

#include <string>

#include "graph_parts.h"
#include "packed_layers.h"

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// a + b with the same shape is what a residual block and a pyramid add; a broadcast would not fit
// oneDNN's sum, and is not seen in the graph. Only a sum of two convolution-sized maps, recognised
// by both being non-constant tensors, is fused.
bool is_plain_add(Node* node) {
  if (!node || (!is(node, "aten::add") && !is(node, "aten::add_"))) return false;
  return node->inputs().size() == 3 && is_tensor(node->input(0)) && is_tensor(node->input(1)) &&
         constant_number(node->input(2)) == 1.0;
}

bool is_foldable_conv(Node* node) {
  if (!is(node, "aten::conv2d")) return false;
  // conv2d(input, weight, bias, stride, padding, dilation, groups), all but the input constant,
  // padding as numbers.
  for (size_t i = 1; i < 7; ++i) {
    if (!torch::jit::toIValue(node->input(i))) return false;
  }
  if (!torch::jit::toIValue(node->input(4))->isIntList()) return false;
  const at::Tensor weight = torch::jit::toIValue(node->input(1))->toTensor();
  return weight.is_cpu() && weight.dim() == 4 &&
         (weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kBFloat16);
}

bool is_foldable_linear(Node* node) {
  if (!is(node, "aten::linear")) return false;
  const auto weight = torch::jit::toIValue(node->input(1));
  return weight && torch::jit::toIValue(node->input(2)) && weight->toTensor().is_cpu() &&
         weight->toTensor().scalar_type() == at::kFloat && weight->toTensor().dim() == 2;
}

// The fused node stands where the last of its parts stood: its input must still hold what the
// convolution read.
bool written_between(Value* input, Node* first, Node* last) {
  for (Node* node = first->next(); node != last; node = node->next()) {
    const std::string kind = node->kind().toQualString();
    if (kind.back() == '_' && !node->inputs().empty() && node->input(0) == input) return true;
  }
  return false;
}

class LayerFuser {
 public:
  explicit LayerFuser(Graph& graph) : graph_(graph) {}

  void run(Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      Node* node = *it++;
      for (Block* inner : node->blocks()) run(inner);
      if (is_foldable_conv(node) || is_foldable_linear(node)) fuse(node);
    }
    // Replaced nodes go at the end: the iteration above may stand on one of them.
    for (Node* node : dead_) {
      if (!node->hasUses()) node->destroy();
    }
    dead_.clear();
  }

 private:
  void fuse(Node* layer) {
    Node* last = layer;
    Tail tail;
    if (const auto found = activation_of(only_user(layer->output()))) {
      tail.activation = *found;
      last = only_user(layer->output());
    } else if (Node* add = only_user(layer->output());
               is_plain_add(add) && !written_between(layer->input(0), layer, add)) {
      tail.other = add->input(0) == layer->output() ? add->input(1) : add->input(0);
      last = add;
      // Both sides the same layer's output would be two uses and was refused above.
      Node* relu = only_user(add->output());
      const auto after = activation_of(relu);
      if (after && after->name == "relu" && !written_between(layer->input(0), layer, relu)) {
        tail.activation = *after;
        last = relu;
      }
    }
    Value* fused = insert_fused(layer, last, tail);
    if (!fused) return;
    last->output()->replaceAllUsesWith(fused);
    mark_dead(layer, last);
  }

  Value* insert_fused(Node* layer, Node*& last, Tail& tail) {
    {
      torch::jit::WithInsertPoint at(tail.other ? last : layer);
      if (Value* packed = insert_packed(graph_, layer, tail)) return packed;
    }
    if (!is(layer, "aten::conv2d")) return nullptr;
    // A sum without an activation saves oneDNN nothing.
    if (tail.other && tail.activation.name == "none") {
      tail.other = nullptr;
      last = layer;
    }
    torch::jit::WithInsertPoint at(tail.other ? last : layer);
    return insert_onednn(layer, tail);
  }

  Value* insert_onednn(Node* conv, const Tail& tail) {
    const at::Tensor weight = torch::jit::toIValue(conv->input(1))->toTensor();
    Value *bias = conv->input(2), *stride = conv->input(3), *padding = conv->input(4),
          *dilation = conv->input(5), *groups = conv->input(6);
    std::vector<Value*> inputs = {conv->input(0)};
    const auto add = [&](std::initializer_list<Value*> values) {
      for (Value* value : values) inputs.push_back(value);
    };
    if (tail.other) add({tail.other});
    add({graph_.insertConstant(weight.contiguous(at::MemoryFormat::ChannelsLast)), bias, padding,
         stride, dilation, groups});
    if (tail.other) add({graph_.insertConstant("add"), graph_.insertConstant(1.0)});
    add({graph_.insertConstant(tail.activation.name),
         insert_scalars(graph_, tail.activation.scalars), graph_.insertConstant("")});
    Node* node =
        graph_.create(c10::Symbol::fromQualString("mkldnn::_convolution_pointwise"), inputs);
    return graph_.insertNode(node)->output();
  }

  void mark_dead(Node* layer, Node* last) {
    // From the end of the chain to its start, so that each has lost its user when its turn comes.
    if (last != layer) {
      dead_.push_back(last);
      Node* middle = only_user(layer->output());
      if (middle && middle != last) dead_.push_back(middle);
    }
    dead_.push_back(layer);
  }

  Graph& graph_;
  std::vector<Node*> dead_;
};

}  // namespace

void fuse_layers(const std::shared_ptr<Graph>& graph) { LayerFuser(*graph).run(graph->block()); }

}  // namespace torchdet::script
