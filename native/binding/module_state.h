// A compiled or loaded module with its description, shared by the objects that use it. Heavy
// header: only the binding files that run modules include it.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "../script/archive.h"

namespace torchdet::binding {

struct ModuleState {
  torch::jit::Module module;
  script::ArchiveDescription description;
  std::string device;
  int64_t bytes = 0;
  // Counts changes of weights or mode: compiled forms made before are stale.
  std::atomic<uint64_t> version{0};
};

}  // namespace torchdet::binding
