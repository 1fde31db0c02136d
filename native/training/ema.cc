#include "ema.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/scalar_tensor.h>

namespace torchdet::training {
namespace {

const std::string kUpdates = "ema.updates";

// A module's tensors keep their names and order; a tensor itself may be replaced by its code.
void check_same_module(const std::vector<NamedTensor>& averages,
                       const std::vector<NamedTensor>& state) {
  TORCH_CHECK(averages.size() == state.size(), "averages of ", averages.size(),
              " tensors do not fit a module of ", state.size());
  for (size_t i = 0; i < state.size(); ++i) {
    TORCH_CHECK(averages[i].name == state[i].name, "the average of '", averages[i].name,
                "' does not fit '", state[i].name, "'");
  }
}

}  // namespace

Ema::Ema(double decay, const std::vector<NamedTensor>& state) : decay_(decay) {
  at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : state) averages_.push_back({name, tensor.detach().clone()});
}

void Ema::update(const std::vector<NamedTensor>& state) {
  at::NoGradGuard no_grad;
  TORCH_CHECK(!swapped_, "the averages are swapped in: swap back before the next update");
  check_same_module(averages_, state);
  std::vector<at::Tensor> floating, values;
  for (size_t i = 0; i < state.size(); ++i) {
    at::Tensor& average = averages_[i].tensor;
    const at::Tensor value = state[i].tensor.detach();
    if (updates_ == 0) {
      average.copy_(value);
    } else if (average.is_floating_point()) {
      floating.push_back(average);
      values.push_back(value);
    } else {
      average.copy_(average * decay_ + value * (1 - decay_));
    }
  }
  if (!floating.empty()) at::_foreach_lerp_(floating, values, 1 - decay_);
  ++updates_;
}

void Ema::swap(const std::vector<NamedTensor>& state) {
  at::NoGradGuard no_grad;
  check_same_module(averages_, state);
  for (size_t i = 0; i < state.size(); ++i) {
    const at::Tensor value = state[i].tensor.detach();
    const at::Tensor kept = value.clone();
    value.copy_(averages_[i].tensor);
    averages_[i].tensor.copy_(kept);
  }
  swapped_ = !swapped_;
}

std::vector<NamedTensor> Ema::state() const {
  TORCH_CHECK(!swapped_, "the averages are swapped in: swap back before their state is read");
  std::vector<NamedTensor> state = averages_;
  state.push_back({kUpdates, at::scalar_tensor(updates_, at::kLong)});
  return state;
}

void Ema::load_state(const std::unordered_map<std::string, at::Tensor>& values) {
  at::NoGradGuard no_grad;
  TORCH_CHECK(!swapped_, "the averages are swapped in: swap back before a state is loaded");
  const auto find = [&](const std::string& name) {
    const auto found = values.find(name);
    TORCH_CHECK(found != values.end(), "the state of the averages lacks '", name, "'");
    return found->second;
  };
  const int64_t updates = find(kUpdates).item<int64_t>();
  for (const auto& [name, average] : averages_) {
    TORCH_CHECK(find(name).sizes() == average.sizes(), "'", name, "' has shape ", average.sizes(),
                " in the module and ", find(name).sizes(), " in the state of the averages");
  }
  TORCH_CHECK(values.size() == averages_.size() + 1, "the state of the averages has ",
              values.size() - 1, " tensors, the module ", averages_.size());
  for (auto& [name, average] : averages_) average.copy_(find(name));
  updates_ = updates;
}

}  // namespace torchdet::training
