#include "calls.h"
#include "options.h"

namespace torchdet::binding {
namespace {

using script::AttributeValue;
using script::Initializer;

std::string text(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString())
    throw CodedError("ERR_INVALID_ARGUMENT",
                     std::string("module spec: \"") + name + "\" must be a string");
  return value.As<Napi::String>();
}

double number(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw CodedError("ERR_INVALID_ARGUMENT",
                     std::string("module spec: \"") + name + "\" must be a number");
  return value.As<Napi::Number>();
}

Initializer to_initializer(const Napi::Object& object) {
  const std::string kind = text(object, "kind");
  Initializer init;
  if (kind == "constant") {
    init.first = number(object, "value");
  } else if (kind == "normal") {
    init = {Initializer::Kind::kNormal, number(object, "mean"), number(object, "std"), false, ""};
  } else if (kind == "uniform") {
    init = {Initializer::Kind::kUniform, number(object, "low"), number(object, "high"), false, ""};
  } else if (kind == "xavierUniform") {
    init = {Initializer::Kind::kXavierUniform, number(object, "gain"), 0, false, ""};
  } else if (kind == "kaimingUniform" || kind == "kaimingNormal") {
    init.kind = kind == "kaimingUniform" ? Initializer::Kind::kKaimingUniform
                                         : Initializer::Kind::kKaimingNormal;
    init.first = number(object, "a");
    init.fan_out = text(object, "mode") == "fanOut";
    init.nonlinearity = text(object, "nonlinearity");
  } else {
    throw CodedError("ERR_INVALID_ARGUMENT", "module spec: unknown initialiser \"" + kind + "\"");
  }
  return init;
}

AttributeValue to_attribute(const Napi::Object& object) {
  const std::string type = text(object, "type");
  const Napi::Value value = object.Get("value");
  if (type == "int") return static_cast<int64_t>(value.ToNumber().Int64Value());
  if (type == "float") return value.ToNumber().DoubleValue();
  if (type == "bool") return value.ToBoolean().Value();
  if (type == "str") return value.ToString().Utf8Value();
  if (type == "List[int]") return integers(value, "attribute");
  if (type == "List[float]") return doubles(value, "attribute");
  throw CodedError("ERR_INVALID_ARGUMENT", "module spec: unknown attribute type \"" + type + "\"");
}

// Calls visit(name, value object) for each property, in order; nothing where the property is
// absent.
template <typename Visit>
void each(const Napi::Object& object, const char* name, Visit visit) {
  const Napi::Value value = object.Get(name);
  if (!value.IsObject()) return;
  const Napi::Object entries = value.As<Napi::Object>();
  const Napi::Array names = entries.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string key = names.Get(i).ToString();
    visit(key, entries.Get(key).As<Napi::Object>());
  }
}

}  // namespace

script::ModuleSpec to_module_spec(const Napi::Value& value) {
  if (!value.IsObject())
    throw CodedError("ERR_INVALID_ARGUMENT", "a module spec must be an object");
  const Napi::Object object = value.As<Napi::Object>();
  Napi::HandleScope scope(object.Env());
  script::ModuleSpec spec;
  spec.type = text(object, "type");
  spec.source = text(object, "source");
  each(object, "parameters", [&](const std::string& name, const Napi::Object& entry) {
    const Napi::Value requires_grad = entry.Get("requiresGrad");
    spec.parameters.push_back({name, integers(entry.Get("shape"), "shape"),
                               to_initializer(entry.Get("init").As<Napi::Object>()),
                               requires_grad.IsUndefined() || requires_grad.ToBoolean().Value()});
  });
  each(object, "buffers", [&](const std::string& name, const Napi::Object& entry) {
    spec.buffers.push_back({name, integers(entry.Get("shape"), "shape"),
                            text(entry, "dtype") == "int64", number(entry, "value")});
  });
  each(object, "attributes", [&](const std::string& name, const Napi::Object& entry) {
    spec.attributes.emplace_back(name, to_attribute(entry));
  });
  if (const Napi::Value children = object.Get("children"); children.IsArray()) {
    const Napi::Array array = children.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const Napi::Array pair = array.Get(i).As<Napi::Array>();
      spec.children.emplace_back(pair.Get(0u).ToString(), to_module_spec(pair.Get(1u)));
    }
  }
  return spec;
}

}  // namespace torchdet::binding
