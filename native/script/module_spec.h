// A module described by TypeScript (lib/nn/spec.ts), as plain values: what the compiler makes a
// TorchScript module of.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace torchdet::script {

struct Initializer {
  enum class Kind { kConstant, kNormal, kUniform, kKaimingUniform, kKaimingNormal, kXavierUniform };
  Kind kind = Kind::kConstant;
  double first = 0;   // value, mean, low, negative slope or gain
  double second = 0;  // std or high
  bool fan_out = false;
  std::string nonlinearity;  // "relu", "leakyRelu" or "linear"
};

struct ParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
  Initializer init;
  bool requires_grad = true;
};

struct BufferSpec {
  std::string name;
  std::vector<int64_t> shape;
  bool integral = false;  // int64 instead of float32
  double value = 0;
};

using AttributeValue =
    std::variant<int64_t, double, bool, std::string, std::vector<int64_t>, std::vector<double>>;

struct ModuleSpec {
  std::string type;
  std::vector<ParameterSpec> parameters;
  std::vector<BufferSpec> buffers;
  std::vector<std::pair<std::string, AttributeValue>> attributes;
  std::vector<std::pair<std::string, ModuleSpec>> children;
  std::string source;
};

}  // namespace torchdet::script
