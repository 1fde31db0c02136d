#include "inference_compiler.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include "dict_forwarding.h"
#include "fusions.h"

namespace torchdet::script {

torch::jit::Module compile_for_inference(torch::jit::Module module, const PartPlan& plan) {
  // The plain execution of this thread would keep calls from being inlined, and freeze() folds only
  // what it has inlined.
  torch::jit::GraphOptimizerEnabledGuard optimize(true);
  torch::jit::Module copy = module.copy();
  copy.eval();
  // freeze() inlines, makes constants of the tensors, and folds batch_norm and constant mul and add
  // into convolutions.
  torch::jit::Module frozen = torch::jit::freeze(copy);
  const auto graph = frozen.get_method("forward").graph();
  forward_dicts(graph);
  if (!apply_precision(*graph, plan)) return frozen;
  fuse_layers(graph);
  torch::jit::EliminateDeadCode(graph);
  return frozen;
}

}  // namespace torchdet::script
