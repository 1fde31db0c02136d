#include "resolver.h"

#include <torch/csrc/jit/frontend/sugared_value.h>

namespace torchdet::script {
namespace {

using torch::jit::BuiltinModule;
using torch::jit::SourceRange;
using torch::jit::SugaredValue;

// `ops`: each attribute is a namespace of registered operators.
struct OperatorNamespaces : public SugaredValue {
  std::string kind() const override { return "operator namespaces"; }

  std::shared_ptr<SugaredValue> attr(const SourceRange&, torch::jit::GraphFunction&,
                                     const std::string& field) override {
    return std::make_shared<BuiltinModule>(field);
  }
};

struct ModuleResolver : public torch::jit::Resolver {
  std::shared_ptr<SugaredValue> resolveValue(const std::string& name, torch::jit::GraphFunction&,
                                             const SourceRange&) override {
    if (name == "torch") return std::make_shared<BuiltinModule>("aten");
    if (name == "ops") return std::make_shared<OperatorNamespaces>();
    return nullptr;
  }
};

}  // namespace

std::shared_ptr<torch::jit::Resolver> make_resolver() { return std::make_shared<ModuleResolver>(); }

}  // namespace torchdet::script
