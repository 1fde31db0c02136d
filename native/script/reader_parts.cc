#include "reader_parts.h"

#include <cmath>

namespace torchdet::script {

using torch::jit::Module;
using torch::jit::Object;

bool has_module(const Module& module, const std::string& name) {
  return module.hasattr(name) && module.attr(name).isModule();
}

bool is_torchvision(const c10::TypePtr& type, const std::string& path) {
  const auto named = type->cast<c10::NamedType>();
  if (!named || !named->name()) return false;
  // Classes of one name are told apart by a part such as `___torch_mangle_40`.
  std::string plain;
  for (const std::string& atom : named->name()->atoms()) {
    if (atom.rfind("___torch_mangle_", 0) != 0) plain += (plain.empty() ? "" : ".") + atom;
  }
  return plain == "__torch__.torchvision." + path;
}

bool is_detection(const c10::TypePtr& type, const std::string& file, const std::string& name) {
  return is_torchvision(type, "models.detection." + file + "." + name);
}

Module module_of(const Module& parent, const std::string& name, const std::string& file,
                 const std::string& class_name) {
  const Module module = parent.attr(name).toModule();
  TORCH_CHECK(is_detection(module.type(), file, class_name), name, " is no ", class_name);
  return module;
}

Object coder_of(const Module& module, const std::string& class_name) {
  const Object coder = object_of(module, "box_coder");
  TORCH_CHECK(is_detection(coder.type(), "_utils", class_name), "box_coder is no ", class_name);
  return coder;
}

Object object_of(const Module& module, const std::string& name) {
  return Object(module.attr(name).toObject());
}

std::vector<double> numbers(const c10::IValue& value) {
  std::vector<double> result;
  const auto add = [&result](const c10::IValue& item) {
    result.push_back(item.isInt() ? static_cast<double>(item.toInt()) : item.toDouble());
  };
  if (value.isInt() || value.isDouble()) {
    add(value);
  } else if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) add(item);
  } else {
    for (const c10::IValue& item : value.toListRef()) add(item);
  }
  return result;
}

std::vector<std::vector<double>> nested_numbers(const c10::IValue& value) {
  std::vector<std::vector<double>> result;
  if (value.isTuple()) {
    for (const c10::IValue& item : value.toTupleRef().elements()) result.push_back(numbers(item));
  } else {
    for (const c10::IValue& item : value.toListRef()) result.push_back(numbers(item));
  }
  return result;
}

detection::TransformConfig read_transform(const Module& transform) {
  TORCH_CHECK(!transform.hasattr("_skip_resize") || !transform.attr("_skip_resize").toBool(),
              "this transform does not resize");
  detection::TransformConfig config;
  for (const double size : numbers(transform.attr("min_size")))
    config.min_size.push_back(static_cast<int64_t>(size));
  config.max_size = transform.attr("max_size").toInt();
  config.image_mean = numbers(transform.attr("image_mean"));
  config.image_std = numbers(transform.attr("image_std"));
  config.size_divisible = transform.attr("size_divisible").toInt();
  if (transform.hasattr("fixed_size") && !transform.attr("fixed_size").isNone()) {
    const auto size = numbers(transform.attr("fixed_size"));
    config.fixed_size = {{static_cast<int64_t>(size.at(0)), static_cast<int64_t>(size.at(1))}};
  }
  return config;
}

detection::AnchorConfig read_anchors(const Module& generator) {
  return {nested_numbers(generator.attr("sizes")), nested_numbers(generator.attr("aspect_ratios"))};
}

std::array<double, 4> read_box_weights(const Object& coder) {
  TORCH_CHECK(coder.attr("bbox_xform_clip").toDouble() == std::log(1000.0 / 16),
              "this box coder has a bound of its own");
  const auto weights = numbers(coder.attr("weights"));
  TORCH_CHECK(weights.size() == 4, "a box coder has 4 weights");
  return {weights[0], weights[1], weights[2], weights[3]};
}

}  // namespace torchdet::script
