#include "optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <unordered_set>

#include "clip.h"

namespace torchdet::training {
namespace {

// Whether elements of the same index lie at the same place: dimensions of one element may claim any
// stride.
bool same_layout(const at::Tensor& a, const at::Tensor& b) {
  for (int64_t i = 0; i < a.dim(); ++i) {
    if (a.size(i) > 1 && a.stride(i) != b.stride(i)) return false;
  }
  return true;
}

// The fused kernels go over memory without looking at strides.
at::Tensor in_layout_of(const at::Tensor& parameter, const at::Tensor& tensor) {
  return same_layout(parameter, tensor) ? tensor : at::empty_like(parameter).copy_(tensor);
}

bool trains(const at::Tensor& parameter) {
  return parameter.requires_grad() && parameter.grad().defined();
}

}  // namespace

// A parameter that takes part in a step.
struct Optimizer::Due {
  at::Tensor parameter;
  at::Tensor gradient;
  Kept* kept;
};

Optimizer::Optimizer(Rule rule, std::vector<ParameterGroup> groups) : rule_(rule) {
  std::unordered_set<const void*> seen;
  for (ParameterGroup& group : groups) {
    std::vector<NamedTensor> unique;
    for (NamedTensor& entry : group.parameters) {
      TORCH_CHECK(entry.tensor.is_floating_point() && entry.tensor.is_non_overlapping_and_dense(),
                  "'", entry.name, "' cannot be trained: it is not a dense floating-point tensor");
      // A tensor that two modules share is one parameter.
      if (seen.insert(entry.tensor.unsafeGetTensorImpl()).second)
        unique.push_back(std::move(entry));
    }
    group.parameters = std::move(unique);
    kept_.emplace_back(group.parameters.size());
  }
  groups_ = std::move(groups);
}

void Optimizer::zero_grad() {
  for (const ParameterGroup& group : groups_) {
    for (const auto& [name, parameter] : group.parameters) parameter.mutable_grad().reset();
  }
}

std::vector<at::Tensor> Optimizer::gradients() const {
  std::vector<at::Tensor> result;
  for (const ParameterGroup& group : groups_) {
    for (const auto& [name, parameter] : group.parameters) {
      if (trains(parameter)) result.push_back(parameter.grad());
    }
  }
  return result;
}

StepOutcome Optimizer::step(const StepRules& rules) {
  at::NoGradGuard no_grad;
  const std::vector<at::Tensor> all = gradients();
  at::Tensor found_inf;
  if (rules.scaled) found_inf = scaler_.unscale(all);
  at::Tensor norm = gradient_norm(all);

  StepOutcome outcome;
  outcome.grad_norm = norm.item<double>();
  outcome.stepped = std::isfinite(outcome.grad_norm);
  if (outcome.stepped) {
    if (rules.clip_value) {
      clip_gradient_values(all, *rules.clip_value);
      if (rules.clip_norm) norm = gradient_norm(all);
    }
    if (rules.clip_norm) clip_gradient_norm(all, *rules.clip_norm, norm);
    for (size_t i = 0; i < groups_.size(); ++i) {
      std::visit([&](const auto& rule) { update(rule, groups_[i], due(i)); }, rule_);
    }
  }
  if (rules.scaled) scaler_.update(outcome.stepped ? found_inf : found_inf.fill_(1));
  zero_grad();
  return outcome;
}

std::vector<Optimizer::Due> Optimizer::due(size_t group) {
  std::vector<Due> result;
  const auto& parameters = groups_[group].parameters;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const at::Tensor& parameter = parameters[i].tensor;
    if (!trains(parameter)) continue;
    Kept& kept = kept_[group][i];
    for (const auto& [name, tensor] : slots()) {
      if ((kept.*tensor).defined() && (kept.*tensor).dim() > 0)
        kept.*tensor = in_layout_of(parameter, kept.*tensor);
    }
    result.push_back({parameter.detach(), in_layout_of(parameter, parameter.grad()), &kept});
  }
  return result;
}

namespace {

// The kernels take one type at a time, and SGD's the parameters new to it apart from the others.
template <typename Due, typename IsNew, typename Run>
void in_batches(std::vector<Due> due, IsNew is_new, Run run) {
  while (!due.empty()) {
    const at::ScalarType type = due.front().parameter.scalar_type();
    const bool first = is_new(due.front());
    std::vector<Due> batch, rest;
    for (Due& entry : due) {
      const bool same = entry.parameter.scalar_type() == type && is_new(entry) == first;
      (same ? batch : rest).push_back(std::move(entry));
    }
    run(batch, first);
    due = std::move(rest);
  }
}

template <typename Due, typename Select>
std::vector<at::Tensor> each(const std::vector<Due>& due, Select select) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(due.size());
  for (const Due& entry : due) tensors.push_back(select(entry));
  return tensors;
}

}  // namespace

void Optimizer::update(const Sgd& rule, const ParameterGroup& group, std::vector<Due> due) {
  const auto is_new = [&](const Due& entry) {
    return rule.momentum != 0 && !entry.kept->momentum_buffer.defined();
  };
  in_batches(std::move(due), is_new, [&](std::vector<Due>& batch, bool first) {
    std::vector<at::Tensor> momenta;
    if (rule.momentum != 0) {
      for (Due& entry : batch) {
        if (first) entry.kept->momentum_buffer = at::empty_like(entry.parameter);
        momenta.push_back(entry.kept->momentum_buffer);
      }
    }
    at::_fused_sgd_(each(batch, [](const Due& entry) { return entry.parameter; }),
                    each(batch, [](const Due& entry) { return entry.gradient; }), momenta,
                    group.weight_decay, rule.momentum, group.learning_rate, rule.dampening,
                    rule.nesterov, /*maximize=*/false, /*is_first_step=*/first);
  });
}

void Optimizer::update(const AdamW& rule, const ParameterGroup& group, std::vector<Due> due) {
  for (const Due& entry : due) {
    Kept& kept = *entry.kept;
    if (kept.step.defined()) continue;
    kept.step = at::zeros({}, entry.parameter.options().dtype(at::kFloat));
    kept.exp_avg = at::zeros_like(entry.parameter);
    kept.exp_avg_sq = at::zeros_like(entry.parameter);
  }
  const auto none_is_new = [](const Due&) { return false; };
  in_batches(std::move(due), none_is_new, [&](const std::vector<Due>& batch, bool) {
    const auto steps = each(batch, [](const Due& entry) { return entry.kept->step; });
    at::_foreach_add_(steps, 1);
    at::_fused_adamw_(each(batch, [](const Due& entry) { return entry.parameter; }),
                      each(batch, [](const Due& entry) { return entry.gradient; }),
                      each(batch, [](const Due& entry) { return entry.kept->exp_avg; }),
                      each(batch, [](const Due& entry) { return entry.kept->exp_avg_sq; }),
                      /*max_exp_avg_sqs=*/{}, steps, group.learning_rate, rule.beta1, rule.beta2,
                      group.weight_decay, rule.eps, /*amsgrad=*/false, /*maximize=*/false);
  });
}

void Optimizer::set_learning_rates(const std::vector<double>& rates) {
  TORCH_CHECK(rates.size() == groups_.size(), "the optimizer has ", groups_.size(),
              " groups of parameters, got ", rates.size(), " learning rates");
  for (size_t i = 0; i < rates.size(); ++i) groups_[i].learning_rate = rates[i];
}

std::vector<double> Optimizer::learning_rates() const {
  std::vector<double> rates;
  for (const ParameterGroup& group : groups_) rates.push_back(group.learning_rate);
  return rates;
}

}  // namespace torchdet::training
