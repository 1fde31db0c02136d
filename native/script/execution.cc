#include "execution.h"

#include <torch/csrc/jit/python/update_graph_executor_opt.h>

namespace torchdet::script {

PlainExecution::PlainExecution() : optimize_before_(torch::jit::getGraphExecutorOptimize()) {
  torch::jit::setGraphExecutorOptimize(false);
}

PlainExecution::~PlainExecution() { torch::jit::setGraphExecutorOptimize(optimize_before_); }

}  // namespace torchdet::script
