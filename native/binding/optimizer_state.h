// An optimizer with the module it belongs to. Heavy header: only the binding files that train
// include it.
#pragma once

#include <memory>

#include "../training/optimizer.h"
#include "module_state.h"

namespace torchdet::binding {

// Touched on the device's thread only, but for the question which module it is.
struct OptimizerState {
  const std::shared_ptr<ModuleState> module;
  training::Optimizer optimizer;
};

}  // namespace torchdet::binding
