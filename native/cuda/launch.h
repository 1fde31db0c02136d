// How kernels start. A kernel is a small struct of pointers and numbers whose operator()(index)
// does the work of one thread; nothing in it allocates or throws. launch.cu runs it on the GPU,
// host/launch.cc as a loop on the CPU, for the tests: the tensor code that calls launch() is the
// same object file in both.
#pragma once

#include <cstdint>

#include "kernels/suppression.h"

namespace torchdet::cuda {

// Runs kernel(0) .. kernel(count - 1), in any order and at once, on the current stream of the
// current device.
template <typename Kernel>
void launch(const Kernel& kernel, int64_t count);

// The second half of non-maximum suppression, one thread block a segment.
void launch_scan(const SuppressionScan& scan, int64_t segments);

}  // namespace torchdet::cuda
