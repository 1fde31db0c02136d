#include "inference_compiler.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/subgraph_rewrite.h>

#include "fusions.h"

namespace torchdet::script {

torch::jit::Module compile_for_inference(torch::jit::Module module) {
  torch::jit::Module copy = module.copy();
  copy.eval();
  // freeze() inlines, makes constants of the tensors, and folds batch_norm and constant mul and add into convolutions.
  torch::jit::Module frozen = torch::jit::freeze(copy);
  const auto graph = frozen.get_method("forward").graph();
  fuse_convolutions(graph);
  torch::jit::EliminateDeadCode(graph);
  return frozen;
}

}  // namespace torchdet::script
