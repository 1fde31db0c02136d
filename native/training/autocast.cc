#include "autocast.h"

#include <ATen/autocast_mode.h>

namespace torchdet::training {

AutocastScope::AutocastScope(Precision precision, c10::Device device)
    : active_(precision != Precision::kFull), device_type_(device.type()) {
  if (!active_) return;
  TORCH_CHECK(precision == Precision::kBfloat16 || device.is_cuda(),
              "mixed precision in float16 is for CUDA; use bfloat16 on ", device);
  enabled_before_ = at::autocast::is_autocast_enabled(device_type_);
  dtype_before_ = at::autocast::get_autocast_dtype(device_type_);
  at::autocast::set_autocast_enabled(device_type_, true);
  at::autocast::set_autocast_dtype(device_type_,
                                   precision == Precision::kBfloat16 ? at::kBFloat16 : at::kHalf);
  at::autocast::increment_nesting();
}

AutocastScope::~AutocastScope() {
  if (!active_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device_type_, enabled_before_);
  at::autocast::set_autocast_dtype(device_type_, dtype_before_);
}

}  // namespace torchdet::training
