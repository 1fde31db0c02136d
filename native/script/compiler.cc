#include "compiler.h"

#include <ATen/CPUGeneratorImpl.h>

#include <map>
#include <sstream>

#include "initializers.h"
#include "resolver.h"

namespace torchdet::script {
namespace {

using torch::jit::Module;

c10::TypePtr type_of(const AttributeValue& value) {
  struct Visitor {
    c10::TypePtr operator()(int64_t) { return c10::IntType::get(); }
    c10::TypePtr operator()(double) { return c10::FloatType::get(); }
    c10::TypePtr operator()(bool) { return c10::BoolType::get(); }
    c10::TypePtr operator()(const std::string&) { return c10::StringType::get(); }
    c10::TypePtr operator()(const std::vector<int64_t>&) { return c10::ListType::ofInts(); }
    c10::TypePtr operator()(const std::vector<double>&) { return c10::ListType::ofFloats(); }
  };
  return std::visit(Visitor{}, value);
}

c10::IValue value_of(const AttributeValue& value) {
  return std::visit([](const auto& v) { return c10::IValue(v); }, value);
}

class Compiler {
 public:
  explicit Compiler(uint64_t seed) : generator_(at::make_generator<at::CPUGeneratorImpl>(seed)) {}

  Module compile(const ModuleSpec& spec, const std::string& path) {
    // Own tensors first, then the children's: the order in which random numbers are drawn.
    Tensors tensors;
    for (const ParameterSpec& parameter : spec.parameters) {
      const at::Tensor tensor = make_parameter(parameter, generator_);
      tensors.emplace_back(parameter.name, tensor.requires_grad_(parameter.requires_grad));
    }
    for (const BufferSpec& buffer : spec.buffers)
      tensors.emplace_back(buffer.name, make_buffer(buffer));
    std::vector<Module> children;
    for (const auto& [name, child] : spec.children) {
      children.push_back(compile(child, path.empty() ? name : path + "." + name));
    }

    auto& type = types_[signature_of(spec, children)];
    if (type) return instantiate(type, spec, tensors, children);
    Module module = define(spec, tensors, children, path);
    type = module.type();
    return module;
  }

 private:
  using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

  static std::string signature_of(const ModuleSpec& spec, const std::vector<Module>& children) {
    std::ostringstream out;
    out << spec.type << '\n';
    for (const auto& parameter : spec.parameters) out << 'p' << parameter.name << '\n';
    for (const auto& buffer : spec.buffers) out << 'b' << buffer.name << '\n';
    for (const auto& [name, value] : spec.attributes)
      out << 'a' << name << type_of(value)->str() << '\n';
    for (size_t i = 0; i < children.size(); ++i) {
      out << 'c' << spec.children[i].first << ' ' << children[i].type().get() << '\n';
    }
    out << spec.source;
    return out.str();
  }

  Module define(const ModuleSpec& spec, const Tensors& tensors, const std::vector<Module>& children,
                const std::string& path) {
    Module module(c10::QualifiedName("__torch__.torchdet." + spec.type), unit_,
                  /*shouldMangle=*/true);
    module.register_attribute("training", c10::BoolType::get(), true);
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (i < spec.parameters.size()) {
        module.register_parameter(tensors[i].first, tensors[i].second, /*is_buffer=*/false);
      } else {
        module.register_buffer(tensors[i].first, tensors[i].second);
      }
    }
    for (const auto& [name, value] : spec.attributes) {
      module.register_attribute(name, type_of(value), value_of(value));
    }
    for (size_t i = 0; i < children.size(); ++i)
      module.register_module(spec.children[i].first, children[i]);
    try {
      module.define(spec.source, resolver_);
    } catch (const std::exception& error) {
      TORCH_CHECK(false, "module '", path.empty() ? "(root)" : path, "' of type ", spec.type,
                  " does not compile: ", error.what());
    }
    return module;
  }

  Module instantiate(const c10::ClassTypePtr& type, const ModuleSpec& spec, const Tensors& tensors,
                     const std::vector<Module>& children) {
    Module module(unit_, type);
    const auto object = module._ivalue();
    object->setAttr("training", true);
    for (const auto& [name, tensor] : tensors) object->setAttr(name, tensor);
    for (const auto& [name, value] : spec.attributes) object->setAttr(name, value_of(value));
    for (size_t i = 0; i < children.size(); ++i) {
      object->setAttr(spec.children[i].first, children[i]._ivalue());
    }
    return module;
  }

  // Its own: the default one is the process's, and trainings draw from it meanwhile.
  at::Generator generator_;
  std::shared_ptr<torch::jit::CompilationUnit> unit_ =
      std::make_shared<torch::jit::CompilationUnit>();
  std::shared_ptr<torch::jit::Resolver> resolver_ = make_resolver();
  std::map<std::string, c10::ClassTypePtr> types_;
};

}  // namespace

torch::jit::Module compile(const ModuleSpec& spec, uint64_t seed) {
  at::NoGradGuard no_grad;
  return Compiler(seed).compile(spec, "");
}

}  // namespace torchdet::script
