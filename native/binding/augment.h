// Carries out augmentations on threads of their own, beside the devices' threads.
#pragma once

#include <napi.h>

namespace torchdet::binding {

// augment(image, masks, kept, steps, out, lane), see binding.d.ts.
Napi::Value augment_pixels(const Napi::CallbackInfo& info);

}  // namespace torchdet::binding
