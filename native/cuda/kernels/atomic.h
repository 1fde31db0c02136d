// Adding to memory that other threads add to at the same time. On the CPU kernels run in one
// thread.
#pragma once

#include "../../ops/host_device.h"

namespace torchdet::cuda {

template <typename T>
TORCHDET_HOST_DEVICE inline void add_to(T* target, T value) {
#if defined(__CUDA_ARCH__)
  atomicAdd(target, value);
#else
  *target += value;
#endif
}

}  // namespace torchdet::cuda
