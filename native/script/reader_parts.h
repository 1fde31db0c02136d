// What the readers of scripted torchvision models share: attributes of modules and objects as plain
// values. Each function throws (std::exception) where an attribute is missing or of another type.
// They own nothing.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "../detection/config.h"

namespace torchdet::script {

bool has_module(const torch::jit::Module& module, const std::string& name);

// True where `type` is the class at `path` in torchvision ("ops.poolers.MultiScaleRoIAlign"), as
// scripted by Python, and no class of somebody's own, whose methods may do anything.
bool is_torchvision(const c10::TypePtr& type, const std::string& path);
// The same for the class `name` of torchvision.models.detection's file `file`.
bool is_detection(const c10::TypePtr& type, const std::string& file, const std::string& name);

// The child `name`, which is of that class of torchvision.models.detection.
torch::jit::Module module_of(const torch::jit::Module& parent, const std::string& name,
                             const std::string& file, const std::string& class_name);
// The module's box_coder, which is of torchvision's class `class_name`.
torch::jit::Object coder_of(const torch::jit::Module& module, const std::string& class_name);

torch::jit::Object object_of(const torch::jit::Module& module, const std::string& name);

// Lists and tuples of numbers alike, and a number alone: torchvision keeps what its user gave.
std::vector<double> numbers(const c10::IValue& value);
std::vector<std::vector<double>> nested_numbers(const c10::IValue& value);

// GeneralizedRCNNTransform.
detection::TransformConfig read_transform(const torch::jit::Module& transform);
// AnchorGenerator.
detection::AnchorConfig read_anchors(const torch::jit::Module& generator);
// The weights of BoxCoder.
std::array<double, 4> read_box_weights(const torch::jit::Object& coder);

}  // namespace torchdet::script
