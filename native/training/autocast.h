// Mixed precision for the time of a scope: convolutions and matrix products of the calling thread
// compute in the lower type, by torch.autocast's rules. It owns the thread's setting and restores
// the one before; casts of weights are kept for the scope and dropped at its end. Open it around
// the forward and the losses only, never around backward.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace torchdet::training {

enum class Precision { kFull, kBfloat16, kFloat16 };

class AutocastScope {
 public:
  // kFull changes nothing. float16 is for CUDA: the CPU has bfloat16.
  AutocastScope(Precision precision, c10::Device device);
  ~AutocastScope();
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  bool active_;
  c10::DeviceType device_type_;
  bool enabled_before_ = false;
  c10::ScalarType dtype_before_ = c10::ScalarType::Undefined;
};

}  // namespace torchdet::training
