// Gradient descent over groups of parameters: torch.optim's SGD and AdamW, on ATen's fused kernels.
// An optimizer holds references on its parameters (the module's own tensors), and owns what it
// keeps of each (momentum and the like), made when the parameter first has a gradient, in the
// parameter's layout and on its device. It is touched on the device's thread only.
//
// A training step: [AutocastScope around the forward], total * loss scale, `scaler().scale(total)`
// where amp is float16, backward; then, unless gradients are being accumulated, step(), which
// leaves no gradients behind. Gradients that are accumulated stay until the next step().
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "grad_scaler.h"

namespace torchdet::training {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// torch.optim.SGD. Nesterov needs a momentum and no dampening.
struct Sgd {
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
};

// torch.optim.AdamW, without amsgrad.
struct AdamW {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
};

// Parameters that share a learning rate and a weight decay.
struct ParameterGroup {
  std::vector<NamedTensor> parameters;
  double learning_rate = 0;
  double weight_decay = 0;
};

struct StepRules {
  std::optional<double> clip_norm;   // largest norm of all gradients together
  std::optional<double> clip_value;  // largest absolute value of each number, applied first
  bool scaled = false;               // the gradients are of a loss that scaler() scaled
};

struct StepOutcome {
  double grad_norm = 0;  // of all gradients, unscaled and before clipping; may be infinite or NaN
  bool stepped = false;  // false where grad_norm is not finite: nothing was changed then
};

class Optimizer {
 public:
  using Rule = std::variant<Sgd, AdamW>;

  Optimizer(Rule rule, std::vector<ParameterGroup> groups);

  // Unscales, measures, clips, makes the step and clears the gradients. Parameters that are frozen
  // or have no gradient are left alone. Where the gradients are not finite there is no step, and
  // with scaled gradients the scale sinks.
  StepOutcome step(const StepRules& rules);

  // Forgets the gradients of all its parameters.
  void zero_grad();

  // Gradients of the parameters that train and have one, in the order of groups and parameters.
  std::vector<at::Tensor> gradients() const;
  const std::vector<ParameterGroup>& groups() const { return groups_; }

  // One per group.
  void set_learning_rates(const std::vector<double>& rates);
  std::vector<double> learning_rates() const;

  // All that a resumed run needs: `lr` (float64, one per group), `state.<parameter>.<torch's
  // name>`, `scaler.scale` and `scaler.growth_tracker`. Tensors handed out share the optimizer's
  // memory.
  std::vector<NamedTensor> state() const;
  // Replaces all of it by copies; nothing is changed where a name or shape does not fit.
  void load_state(const std::unordered_map<std::string, at::Tensor>& values);

  GradScaler& scaler() { return scaler_; }

 private:
  // What is kept of one parameter, under torch's names: momentum_buffer, or step, exp_avg and
  // exp_avg_sq. Undefined until there is something to keep.
  struct Kept {
    at::Tensor momentum_buffer;
    at::Tensor step;
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
  };
  struct Slot {
    const char* name;
    at::Tensor Kept::*tensor;
  };
  struct Due;

  std::vector<Slot> slots() const;
  std::vector<Due> due(size_t group);
  void update(const Sgd& rule, const ParameterGroup& group, std::vector<Due> due);
  void update(const AdamW& rule, const ParameterGroup& group, std::vector<Due> due);

  Rule rule_;
  std::vector<ParameterGroup> groups_;
  std::vector<std::vector<Kept>> kept_;  // beside groups_[i].parameters
  GradScaler scaler_;
};

}  // namespace torchdet::training
