#include "dict_forwarding.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph_parts.h"

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Node;
using torch::jit::Value;

bool puts(const Node* node) { return is(node, "aten::_set_item"); }
bool reads(const Node* node) { return is(node, "aten::__getitem__"); }

std::optional<std::string> constant_key(Node* node) {
  const auto key = torch::jit::toIValue(node->input(1));
  if (!key || !key->isString()) return std::nullopt;
  return key->toStringRef();
}

// Those that put and read, in the order in which they run; none where somebody else has the
// dictionary, or a key is not known.
std::vector<Node*> accesses(Value* dict) {
  std::vector<Node*> nodes;
  for (const auto& use : dict->uses()) {
    if (use.user->kind() == c10::prim::Return) continue;
    const bool known = use.offset == 0 && (puts(use.user) || reads(use.user)) &&
                       use.user->owningBlock() == dict->node()->owningBlock() &&
                       constant_key(use.user);
    if (!known) return {};
    nodes.push_back(use.user);
  }
  std::sort(nodes.begin(), nodes.end(), [](Node* a, Node* b) { return a->isBefore(b); });
  return nodes;
}

void forward(Node* made) {
  Value* dict = made->output();
  std::map<std::string, Value*> values;
  std::vector<Node*> done;
  bool complete = true;
  for (Node* node : accesses(dict)) {
    const std::string key = *constant_key(node);
    if (puts(node)) {
      values[key] = node->input(2);
      done.push_back(node);
    } else if (const auto found = values.find(key); found != values.end()) {
      node->output()->replaceAllUsesWith(found->second);
      node->destroy();
    } else {
      complete = false;  // an error of the program's own, which it shall say
    }
  }
  const bool only_put = dict->uses().size() == done.size();
  if (!complete || !only_put) return;
  for (Node* node : done) node->destroy();
  made->destroy();
}

void collect(Block* block, std::vector<Node*>& dicts) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) collect(inner, dicts);
    if (node->kind() == c10::prim::DictConstruct && node->inputs().empty()) dicts.push_back(node);
  }
}

}  // namespace

void forward_dicts(const std::shared_ptr<torch::jit::Graph>& graph) {
  std::vector<Node*> dicts;
  collect(graph->block(), dicts);
  for (Node* made : dicts) forward(made);
}

}  // namespace torchdet::script
