// launch() and launch_scan() on the CPU, one thread after the other: the kernels' own code, for the
// tests.
#include "../launch.h"

#include "../kernels/instances.h"

namespace torchdet::cuda {

template <typename Kernel>
void launch(const Kernel& kernel, int64_t count) {
  for (int64_t i = 0; i < count; ++i) kernel(i);
}

void launch_scan(const SuppressionScan& scan, int64_t segments) {
  const int64_t words = suppression_words(scan.size);
  for (int64_t segment = 0; segment < segments; ++segment) {
    for (int64_t step = 0; step < words; ++step) {
      uint64_t own[kSuppressionBits];
      for (int64_t bit = 0; bit < kSuppressionBits; ++bit)
        own[bit] = scan.bits(segment, step, bit, step);
      const uint64_t stay = scan.resolve(segment, step, own);
      for (int64_t bit = 0; bit < kSuppressionBits; ++bit) scan.note(segment, step, bit, stay);
      for (int64_t word = step + 1; word < words; ++word) scan.merge(segment, step, word, stay);
    }
  }
}

#define TORCHDET_INSTANCE(...) template void launch(const __VA_ARGS__&, int64_t)
TORCHDET_FOR_EACH_KERNEL(TORCHDET_INSTANCE);

}  // namespace torchdet::cuda
