// One step of training: forward, a check of the losses, backward, and the optimizer's step. A free
// function that owns nothing; gradients stay with the parameters until the optimizer's step takes
// them.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../detection/types.h"
#include "autocast.h"
#include "optimizer.h"

namespace torchdet::training {

struct StepOptions {
  std::optional<double> clip_norm;
  std::optional<double> clip_value;
  bool accumulate = false;  // adds to the gradients and makes no step
  double loss_scale = 1;    // the total is multiplied by this before the gradients are taken
  Precision precision = Precision::kFull;
};

using LossValues = std::vector<std::pair<std::string, double>>;

struct StepResult {
  LossValues losses;
  double total = 0;  // their sum, not scaled
  std::optional<double>
      grad_norm;  // before clipping; nothing where gradients were accumulated only
  bool stepped = false;
};

// On this thread: losses as numbers, in one transfer.
LossValues values_of(const detection::Losses& losses);

// `forward` is called once, with gradients on. Throws detection::NotFiniteError naming the losses
// where one is NaN or infinite: weights and gradients are as before then. `exchange`, where given,
// is called with the gradients a step is made of, before they are looked at: it may change them.
StepResult train_step(const std::function<detection::Losses()>& forward, Optimizer& optimizer,
                      const StepOptions& options, c10::Device device,
                      const detection::Checkpoint& checkpoint,
                      const std::function<void(Optimizer&)>& exchange = {});

}  // namespace torchdet::training
