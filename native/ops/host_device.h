// Marks functions that both the CPU's operators and the CUDA kernels call: plain arithmetic without
// allocation, tensors or errors, so that tests on the CPU cover what runs on a GPU.
#pragma once

#if defined(__CUDACC__)
#define TORCHDET_HOST_DEVICE __host__ __device__
#else
#define TORCHDET_HOST_DEVICE
#endif
