#include "step.h"

#include <malloc.h>

#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include <cmath>

#include "../detection/checks.h"

namespace torchdet::training {
namespace {

at::Tensor sum_of(const detection::Losses& losses) {
  at::Tensor total = losses.front().second;
  for (size_t i = 1; i < losses.size(); ++i) total = total + losses[i].second;
  return total;
}

// Activations and gradients come and go at each step. By default glibc gives such large blocks back
// to the kernel every time, which fills them with zeros before it hands them out anew: a tenth of a
// step's time. So a process that trains keeps them, but for the very largest: those leave gaps.
void keep_memory_between_steps() {
  static const bool kept = [] {
    constexpr int kLargestKept = 40 << 20;
    constexpr int kEverything = 1 << 30;
    return mallopt(M_MMAP_THRESHOLD, kLargestKept) == 1 &&
           mallopt(M_TRIM_THRESHOLD, kEverything) == 1;
  }();
  static_cast<void>(kept);
}

void check_finite(const LossValues& losses) {
  bool finite = true;
  std::string listed;
  for (const auto& [name, value] : losses) {
    finite = finite && std::isfinite(value);
    listed += c10::str(listed.empty() ? "" : ", ", name, " is ", value);
  }
  if (!finite) throw detection::NotFiniteError(listed);
}

}  // namespace

LossValues values_of(const detection::Losses& losses) {
  std::vector<at::Tensor> scalars;
  for (const auto& loss : losses) scalars.push_back(loss.second.detach().to(at::kDouble));
  const at::Tensor numbers = at::stack(scalars).cpu();
  LossValues values;
  for (size_t i = 0; i < losses.size(); ++i)
    values.emplace_back(losses[i].first, numbers.const_data_ptr<double>()[i]);
  return values;
}

StepResult train_step(const std::function<detection::Losses()>& forward, Optimizer& optimizer,
                      const StepOptions& options, c10::Device device,
                      const detection::Checkpoint& checkpoint,
                      const std::function<void(Optimizer&)>& exchange) {
  keep_memory_between_steps();
  const c10::AutoGradMode with_gradients(true);
  StepResult result;
  at::Tensor total;
  {
    const AutocastScope autocast(options.precision, device);
    const detection::Losses losses = forward();
    result.losses = values_of(losses);
    check_finite(result.losses);
    total = sum_of(losses);
  }
  result.total = total.item<double>();
  TORCH_CHECK(total.requires_grad(), "no parameter of the model is set to train");
  if (checkpoint) checkpoint();
  const bool scaled = options.precision == Precision::kFloat16;
  if (options.loss_scale != 1) total = total * options.loss_scale;
  if (scaled) total = optimizer.scaler().scale(total);
  try {
    total.backward();
    if (exchange && !options.accumulate) exchange(optimizer);
  } catch (...) {
    optimizer.zero_grad();  // some may have been written
    throw;
  }
  total.reset();
  if (options.accumulate) return result;
  const c10::AutoGradMode no_gradients(false);
  const StepOutcome outcome = optimizer.step({options.clip_norm, options.clip_value, scaled});
  result.grad_norm = outcome.grad_norm;
  result.stepped = outcome.stepped;
  return result;
}

}  // namespace torchdet::training
