// launch() and launch_scan() on the GPU. The only file that nvcc compiles: the kernels alone,
// without tensors, so that adding an architecture costs seconds.
#include "launch.h"

#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "kernels/instances.h"

namespace torchdet::cuda {

namespace {

constexpr int kThreads = 256;

template <typename Kernel>
__global__ void __launch_bounds__(kThreads) run(const Kernel kernel, int64_t count) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    kernel(i);
  }
}

// One block for each segment. The words that decide about a step's own boxes are fetched by 64
// threads at once; one goes through them.
__global__ void __launch_bounds__(kThreads) scan_segments(const SuppressionScan scan) {
  __shared__ uint64_t own[kSuppressionBits];
  __shared__ uint64_t stay;
  const int64_t segment = blockIdx.x;
  const int64_t words = suppression_words(scan.size);
  for (int64_t step = 0; step < words; ++step) {
    if (threadIdx.x < kSuppressionBits)
      own[threadIdx.x] = scan.bits(segment, step, threadIdx.x, step);
    __syncthreads();
    if (threadIdx.x == 0) stay = scan.resolve(segment, step, own);
    __syncthreads();
    if (threadIdx.x < kSuppressionBits) scan.note(segment, step, threadIdx.x, stay);
    for (int64_t word = step + 1 + threadIdx.x; word < words; word += blockDim.x)
      scan.merge(segment, step, word, stay);
    // What was merged is read, and `own` and `stay` are written, by the next step.
    __syncthreads();
  }
}

}  // namespace

template <typename Kernel>
void launch(const Kernel& kernel, int64_t count) {
  if (count <= 0) return;
  const int64_t blocks = std::min<int64_t>((count + kThreads - 1) / kThreads, int64_t(1) << 20);
  run<<<static_cast<unsigned>(blocks), kThreads, 0, c10::cuda::getCurrentCUDAStream()>>>(kernel,
                                                                                         count);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

void launch_scan(const SuppressionScan& scan, int64_t segments) {
  if (segments <= 0 || scan.size <= 0) return;
  scan_segments<<<static_cast<unsigned>(segments), kThreads, 0,
                  c10::cuda::getCurrentCUDAStream()>>>(scan);
  C10_CUDA_KERNEL_LAUNCH_CHECK();
}

#define TORCHDET_INSTANCE(...) template void launch(const __VA_ARGS__&, int64_t)
TORCHDET_FOR_EACH_KERNEL(TORCHDET_INSTANCE);

}  // namespace torchdet::cuda
