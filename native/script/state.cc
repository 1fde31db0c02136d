#include "state.h"

#include <c10/core/GradMode.h>

namespace torchdet::script {
namespace {

void collect(const torch::jit::Module& module, const std::string& prefix,
             std::vector<StateEntry>* entries) {
  const auto type = module.type();
  const auto object = module._ivalue();
  for (const bool parameters : {true, false}) {
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue& value = object->getSlot(slot);
      const bool wanted = parameters ? type->is_parameter(slot) : type->is_buffer(slot);
      if (!wanted || !value.isTensor() || !value.toTensor().defined()) continue;
      entries->push_back({prefix + type->getAttributeName(slot), parameters, value.toTensor()});
    }
  }
  for (const auto& child : module.named_children()) {
    collect(child.value, prefix + child.name + ".", entries);
  }
}

}  // namespace

std::vector<StateEntry> state_of(const torch::jit::Module& module) {
  std::vector<StateEntry> entries;
  collect(module, "", &entries);
  return entries;
}

void load_state(const torch::jit::Module& module,
                const std::unordered_map<std::string, at::Tensor>& values) {
  at::NoGradGuard no_grad;
  std::unordered_map<std::string, at::Tensor> targets;
  for (const StateEntry& entry : state_of(module)) targets.emplace(entry.name, entry.tensor);
  // Everything is checked before anything is written, so that a wrong entry leaves the module as it
  // was.
  for (const auto& [name, value] : values) {
    const auto target = targets.find(name);
    TORCH_CHECK(target != targets.end(), "the module has no tensor named '", name, "'");
    TORCH_CHECK(target->second.sizes() == value.sizes(), "'", name, "' has shape ",
                target->second.sizes(), " in the module and ", value.sizes(),
                " in the state to load");
  }
  for (const auto& [name, value] : values) targets.at(name).detach().copy_(value);
}

void set_requires_grad(const torch::jit::Module& module, const std::vector<std::string>& names,
                       bool requires_grad) {
  std::unordered_map<std::string, at::Tensor> parameters;
  for (const StateEntry& entry : state_of(module)) {
    if (entry.is_parameter) parameters.emplace(entry.name, entry.tensor);
  }
  for (const std::string& name : names) {
    TORCH_CHECK(parameters.count(name), "the module has no parameter named '", name, "'");
  }
  for (const std::string& name : names) parameters.at(name).set_requires_grad(requires_grad);
}

}  // namespace torchdet::script
