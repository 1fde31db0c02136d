#include "tensor_writes.h"

#include <algorithm>
#include <unordered_set>

namespace torchdet::script {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

using Values = std::unordered_set<Value*>;

bool shares_what_lists_hold(const c10::FunctionSchema& schema) {
  return std::any_of(
      schema.arguments().begin(), schema.arguments().end(), [](const auto& argument) {
        return argument.alias_info() && !argument.alias_info()->containedTypes().empty();
      });
}

// What an operator's schema says of its memory; null where it does not say all, as of branches and
// of lists.
const c10::FunctionSchema* schema_of(const Node* node) {
  const torch::jit::Operator* found = node->maybeOperator();
  const bool told = found && !node->kind().is_prim() &&
                    found->aliasAnalysisKind() == c10::AliasAnalysisKind::FROM_SCHEMA &&
                    !found->schema().is_vararg() && !found->schema().is_varret() &&
                    !shares_what_lists_hold(found->schema());
  return told ? &found->schema() : nullptr;
}

bool shares(const c10::AliasInfo& a, const c10::AliasInfo& b) {
  return std::any_of(a.beforeSets().begin(), a.beforeSets().end(),
                     [&](const auto& set) { return b.afterSets().count(set) > 0; });
}

// Finds the tensors of whose memory `value` may be: each was allocated by the node that made it, or
// before the graph runs. False where that is not known, as of what comes out of a list.
bool find_allocated(Value* value, Values& found) {
  Node* node = value->node();
  if (node == value->owningGraph()->param_node()) {
    // Inputs may be views of each other, of what the graph makes they are not.
    found.insert(node->outputs().begin(), node->outputs().end());
    return true;
  }
  const auto* schema = schema_of(node);
  if (!schema) return false;
  const c10::AliasInfo* result = schema->returns().at(value->offset()).alias_info();
  if (!result) {
    found.insert(value);
    return true;
  }
  if (result->isWildcardAfter()) return false;
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    const c10::AliasInfo* argument = schema->arguments().at(i).alias_info();
    if (argument && shares(*argument, *result) && !find_allocated(node->input(i), found))
      return false;
  }
  return true;
}

// The same for what a node writes to.
bool find_written(Node* node, Values& found) {
  const auto* schema = schema_of(node);
  if (!schema) return false;
  for (size_t i = 0; i < node->inputs().size(); ++i) {
    const c10::AliasInfo* argument = schema->arguments().at(i).alias_info();
    if (argument && argument->isWrite() && !find_allocated(node->input(i), found)) return false;
  }
  return true;
}

bool is_inside(Node* node, const Node* outer) {
  for (; node; node = node->owningBlock()->owningNode())
    if (node == outer) return true;
  return false;
}

// A parameter, of a graph or of a loop's body, is there from the start.
bool runs_after(Node* node, const Node* made) {
  return made->kind() == c10::prim::Param || !(is_inside(node, made) || node->isBefore(made));
}

}  // namespace

TensorWrites::TensorWrites(Graph& graph) : aliases_(graph.shared_from_this()) {
  collect(graph.block());
}

bool TensorWrites::change(Value* value) const {
  return std::any_of(writers_.begin(), writers_.end(), [&](Node* node) {
    return runs_after(node, value->node()) && writes(node, value);
  });
}

void TensorWrites::collect(Block* block) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) collect(inner);
    if (node->blocks().empty() && aliases_.isMutable(node)) writers_.push_back(node);
  }
}

// LibTorch's analysis takes all tensors that were ever put into lists and dictionaries for one, as
// a backbone's maps are. Where both sides are known, they are told apart.
bool TensorWrites::writes(Node* node, Value* value) const {
  if (!aliases_.writesToAlias(node, {value})) return false;
  Values written, own;
  if (!find_written(node, written) || !find_allocated(value, own)) return true;
  return std::any_of(own.begin(), own.end(), [&](Value* each) { return written.count(each) > 0; });
}

}  // namespace torchdet::script
