#include "fusions.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>

#include "graph_parts.h"
#include "packed_layers.h"

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

// The sum of a layer's result, which it alone reads, with another tensor. a + b with the same shape
// is what a residual block and a pyramid add; a broadcast is not seen in the graph, and left to the
// operators. An in-place sum must write over the layer's own result: into another tensor its
// readers and views see it too.
bool adds_to(Value* result, Node* node) {
  if (!node || node->inputs().size() != 3 || constant_number(node->input(2)) != 1.0) return false;
  if (!is(node, "aten::add") && !(is(node, "aten::add_") && node->input(0) == result)) return false;
  return is_tensor(node->input(0)) && is_tensor(node->input(1));
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

bool is_narrow_and_grouped(Node* conv) {
  return torch::jit::toIValue(conv->input(1))->toTensor().scalar_type() != at::kFloat &&
         torch::jit::toIValue(conv->input(6))->toInt() != 1;
}

class LayerFuser {
 public:
  explicit LayerFuser(const std::shared_ptr<Graph>& graph) : graph_(*graph), aliases_(graph) {}

  void run() {
    visit(graph_.block());
    // Replaced nodes go at the end: the iterations may stand on one of them, and of what is written
    // where the answers are about them.
    for (Node* node : dead_) {
      if (!node->hasUses()) node->destroy();
    }
  }

 private:
  void visit(Block* block) {
    for (auto it = block->nodes().begin(); it != block->nodes().end();) {
      Node* node = *it++;
      for (Block* inner : node->blocks()) visit(inner);
      if (is_foldable_conv(node) || is_foldable_linear(node)) fuse(node);
    }
  }

  void fuse(Node* layer) {
    Value* result = layer->output();
    Node* last = layer;
    Tail tail;
    Node* next = only_user(result);
    if (const auto found = activation_of(next)) {
      tail.activation = *found;
      last = next;
    } else if (adds_to(result, next) && !written_between(layer->input(0), layer, next)) {
      tail.other = next->input(0) == result ? next->input(1) : next->input(0);
      last = next;
      // Both sides the same layer's output would be two uses and was refused above.
      Node* relu = only_user(next->output());
      const auto after = activation_of(relu);
      if (after && after->name == "relu" && !written_between(layer->input(0), next, relu) &&
          !written_between(tail.other, next, relu)) {
        tail.activation = *after;
        last = relu;
      }
    }
    Value* fused = insert_fused(layer, last, tail);
    if (!fused) return;
    // It stands for the old result in the answers too.
    aliases_.replaceWithNewValue(last->output(), fused);
    last->output()->replaceAllUsesWith(fused);
    mark_dead(layer, last);
  }

  // The fused node stands where the last of its parts stood: what they read must still be there.
  // Writes through views and inside of branches count.
  bool written_between(Value* value, Node* first, Node* last) {
    for (Node* node = first->next(); node != last; node = node->next()) {
      if (!is_dead(node) && aliases_.writesToAlias(node, {value})) return true;
    }
    return false;
  }

  bool is_dead(Node* node) const {
    return std::find(dead_.begin(), dead_.end(), node) != dead_.end();
  }

  Value* insert_fused(Node* layer, Node*& last, Tail& tail) {
    {
      torch::jit::WithInsertPoint at(tail.other ? last : layer);
      if (Value* packed = insert_packed(graph_, layer, tail)) return packed;
    }
    if (!is(layer, "aten::conv2d")) return nullptr;
    // A sum without an activation saves oneDNN nothing, and behind a grouped convolution it takes
    // float32 only.
    if (tail.other && (tail.activation.name == "none" || is_narrow_and_grouped(layer))) {
      tail.activation = {};
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
  torch::jit::AliasDb aliases_;  // of the graph as it was given
  std::vector<Node*> dead_;
};

}  // namespace

void fuse_layers(const std::shared_ptr<Graph>& graph) { LayerFuser(graph).run(); }

}  // namespace torchdet::script
