#include "quantize_sites.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <unordered_set>

#include "tensor_writes.h"

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

bool constant_from(Node* node, size_t first) {
  for (size_t i = first; i < node->inputs().size(); ++i) {
    if (!torch::jit::toIValue(node->input(i))) return false;
  }
  return true;
}

bool has_weight(Node* node, int64_t dimensions) {
  const auto constant = torch::jit::toIValue(node->input(1));
  if (!constant || !constant->isTensor()) return false;
  const at::Tensor weight = constant->toTensor();
  return weight.is_cpu() && weight.scalar_type() == at::kFloat && weight.dim() == dimensions;
}

bool is_candidate(Node* node) {
  if (is(node, "aten::linear")) return constant_from(node, 1) && has_weight(node, 2);
  return is(node, "aten::conv2d") && constant_from(node, 1) &&
         torch::jit::toIValue(node->input(4))->isIntList() && has_weight(node, 4);
}

// A tensor that changes between its readers cannot be rounded once for all.
void collect(Block* block, const TensorWrites& writes, std::vector<QuantizationSite>& sites) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) collect(inner, writes, sites);
    if (is_candidate(node) && !writes.change(node->input(0))) sites.push_back({node, node});
  }
}

void take_activation(QuantizationSite& site) {
  Node* next = only_user(site.op->output());
  auto found = activation_of(next);
  // oneDNN's int8 product takes no other.
  if (!found || (site.is_linear() && found->name != "relu")) return;
  site.activation = std::move(*found);
  site.last = next;
}

// a + b of two tensors, that of an in-place sum being the site's own.
bool is_sum(Node* node, Value* own) {
  if (!node || node->inputs().size() != 3 || constant_number(node->input(2)) != 1.0) return false;
  if (!is(node, "aten::add") && !(is(node, "aten::add_") && node->input(0) == own)) return false;
  return node->input(0) != node->input(1) && is_tensor(node->input(0)) && is_tensor(node->input(1));
}

// Joins the sum that ends a residual block with its last convolution, where the other summand is a
// tensor that other sites read or write: those have the same size in every network that adds.
void take_sum(QuantizationSite& site, const std::unordered_set<Value*>& known,
              const TensorWrites& writes, std::unordered_set<Node*>& taken) {
  Node* sum = only_user(site.op->output());
  if (site.last != site.op || site.is_linear() || !is_sum(sum, site.op->output())) return;
  Value* other = sum->input(0) == site.op->output() ? sum->input(1) : sum->input(0);
  Value* source = rearranged_from(other);
  if (!known.count(source ? source : other) || writes.change(other)) return;
  if (!taken.insert(sum).second) return;
  site.other = other;
  site.last = sum;
  Node* next = only_user(sum->output());
  const auto after = activation_of(next);
  if (after && after->name == "relu") {
    site.activation = *after;
    site.last = next;
  }
}

}  // namespace

bool QuantizationSite::is_linear() const { return is(op, "aten::linear"); }

Value* rearranged_from(Value* value) {
  Node* node = value->node();
  const bool pools = is(node, "aten::max_pool2d") && constant_from(node, 1);
  const bool repeats =
      is(node, "aten::upsample_nearest2d") && node->inputs().size() == 4 && constant_from(node, 2);
  return pools || repeats ? node->input(0) : nullptr;
}

bool reads_sizes(const Node* node) { return is(node, "aten::size"); }

std::vector<QuantizationSite> find_quantization_sites(Graph& graph) {
  const TensorWrites writes(graph);
  std::vector<QuantizationSite> sites;
  collect(graph.block(), writes, sites);
  std::unordered_set<Value*> known;
  for (QuantizationSite& site : sites) {
    take_activation(site);
    known.insert(site.input());
    known.insert(site.output());
  }
  std::unordered_set<Node*> taken;
  for (QuantizationSite& site : sites) take_sum(site, known, writes, taken);
  return sites;
}

std::vector<Value*> observed_values(const std::vector<QuantizationSite>& sites) {
  std::vector<Value*> values;
  std::unordered_set<Value*> seen;
  const auto add = [&](Value* value) {
    if (value && seen.insert(value).second) values.push_back(value);
  };
  for (const QuantizationSite& site : sites) {
    add(site.input());
    add(site.other);
    add(site.output());
  }
  return values;
}

}  // namespace torchdet::script
