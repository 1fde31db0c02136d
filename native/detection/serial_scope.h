// While it lives, ATen works on the calling thread alone; other threads are not affected. What
// surrounds the network is dozens of operations of microseconds: waking and awaiting a team for
// each costs as much as it saves, and many times more where the cores are shared with other
// processes. (c10::ParallelGuard does not do this: ATen's OpenMP build never asks it.)
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

namespace torchdet::detection {

class SerialScope {
 public:
#ifdef _OPENMP
  SerialScope() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~SerialScope() { omp_set_num_threads(threads_); }
#else
  SerialScope() = default;
#endif
  SerialScope(const SerialScope&) = delete;
  SerialScope& operator=(const SerialScope&) = delete;

 private:
#ifdef _OPENMP
  int threads_;
#endif
};

}  // namespace torchdet::detection
