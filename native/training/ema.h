// Exponential moving average of a module's parameters and buffers: torchvision's reference scripts'
// ExponentialMovingAverage (torch's AveragedModel with use_buffers). It owns the averages, on the
// module's device; the module's tensors are handed in with each call. Touched on the device's
// thread only.
#pragma once

#include <unordered_map>
#include <vector>

#include "optimizer.h"

namespace torchdet::training {

class Ema {
 public:
  // Averages start as copies of `state`.
  Ema(double decay, const std::vector<NamedTensor>& state);

  // average * decay + value * (1 - decay); the first time, and after restart(), the values
  // themselves.
  void update(const std::vector<NamedTensor>& state);
  // The next update copies, as the reference scripts do while the learning rate warms up.
  void restart() { updates_ = 0; }

  // Exchanges the averages and the module's values. Calling it again puts them back.
  void swap(const std::vector<NamedTensor>& state);
  bool swapped() const { return swapped_; }

  // The averages by name, and `ema.updates`. Shares memory. Not while they are swapped in.
  std::vector<NamedTensor> state() const;
  void load_state(const std::unordered_map<std::string, at::Tensor>& values);

 private:
  double decay_;
  int64_t updates_ = 0;
  bool swapped_ = false;
  std::vector<NamedTensor> averages_;
};

}  // namespace torchdet::training
