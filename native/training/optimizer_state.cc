#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <unordered_set>

#include "optimizer.h"

namespace torchdet::training {
namespace {

const std::string kRates = "lr";
const std::string kScale = "scaler.scale";
const std::string kGrowthTracker = "scaler.growth_tracker";

std::string key_of(const std::string& parameter, const char* slot) {
  return "state." + parameter + "." + slot;
}

}  // namespace

std::vector<Optimizer::Slot> Optimizer::slots() const {
  if (std::holds_alternative<Sgd>(rule_)) return {{"momentum_buffer", &Kept::momentum_buffer}};
  return {{"step", &Kept::step}, {"exp_avg", &Kept::exp_avg}, {"exp_avg_sq", &Kept::exp_avg_sq}};
}

std::vector<NamedTensor> Optimizer::state() const {
  std::vector<NamedTensor> state{{kRates, at::tensor(learning_rates(), at::kDouble)}};
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (size_t j = 0; j < kept_[i].size(); ++j) {
      for (const auto& [slot, member] : slots()) {
        const at::Tensor& tensor = kept_[i][j].*member;
        if (tensor.defined())
          state.push_back({key_of(groups_[i].parameters[j].name, slot), tensor});
      }
    }
  }
  if (scaler_.current().defined()) {
    state.push_back({kScale, scaler_.current()});
    state.push_back({kGrowthTracker, scaler_.growth_tracker()});
  }
  return state;
}

void Optimizer::load_state(const std::unordered_map<std::string, at::Tensor>& values) {
  at::NoGradGuard no_grad;
  std::unordered_set<std::string> unknown;
  for (const auto& [name, tensor] : values) unknown.insert(name);
  // The tensor of that name, of the given shape; undefined where there is none.
  const auto take = [&](const std::string& name, at::IntArrayRef sizes) -> at::Tensor {
    const auto found = values.find(name);
    if (found == values.end()) return {};
    TORCH_CHECK(found->second.sizes() == sizes, "'", name, "' has shape ", found->second.sizes(),
                " in the state to load, and should have ", sizes);
    unknown.erase(name);
    return found->second;
  };

  const at::Tensor rates = take(kRates, {static_cast<int64_t>(groups_.size())});
  TORCH_CHECK(rates.defined(), "the optimizer's state lacks '", kRates, "'");
  auto kept = std::vector<std::vector<Kept>>();
  for (const ParameterGroup& group : groups_) {
    kept.emplace_back(group.parameters.size());
    for (size_t j = 0; j < group.parameters.size(); ++j) {
      const auto& [name, parameter] = group.parameters[j];
      size_t found = 0;
      for (const auto& [slot, member] : slots()) {
        const bool counter = member == &Kept::step;
        const auto sizes = counter ? at::IntArrayRef() : parameter.sizes();
        const at::Tensor value = take(key_of(name, slot), sizes);
        if (!value.defined()) continue;
        ++found;
        kept.back()[j].*member =
            counter ? at::zeros({}, parameter.options().dtype(at::kFloat)).copy_(value)
                    : at::empty_like(parameter.detach()).copy_(value);
      }
      TORCH_CHECK(found == 0 || found == slots().size(), "the optimizer's state has ", found,
                  " of the ", slots().size(), " tensors of '", name, "'");
    }
  }
  const at::Tensor scale = take(kScale, {}), growth_tracker = take(kGrowthTracker, {});
  TORCH_CHECK(scale.defined() == growth_tracker.defined(),
              "the optimizer's state has only one of '", kScale, "' and '", kGrowthTracker, "'");
  TORCH_CHECK(unknown.empty(), "the optimizer's state has ", unknown.size(),
              " tensors that do not belong to it, '", unknown.empty() ? "" : *unknown.begin(),
              "' among them");

  const at::Tensor rates_here = rates.to(at::kCPU, at::kDouble).contiguous();
  for (size_t i = 0; i < groups_.size(); ++i)
    groups_[i].learning_rate = rates_here.const_data_ptr<double>()[i];
  kept_ = std::move(kept);
  if (scale.defined()) {
    scaler_.load(scale, growth_tracker, groups_.front().parameters.front().tensor.device());
  } else {
    scaler_.forget();
  }
}

}  // namespace torchdet::training
