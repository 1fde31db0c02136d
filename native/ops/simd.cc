#include "simd.h"

#include <strings.h>

#include <algorithm>
#include <cstdlib>

namespace torchdet::ops::simd {

namespace {

Isa supported() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx2 && avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa allowed() {
  const char* asked = std::getenv("ATEN_CPU_CAPABILITY");
  if (asked == nullptr) return Isa::avx512;
  if (strcasecmp(asked, "default") == 0) return Isa::baseline;
  return strcasecmp(asked, "avx2") == 0 ? Isa::avx2 : Isa::avx512;
}

}  // namespace

Isa isa() {
  static const Isa chosen = std::min(supported(), allowed());
  return chosen;
}

}  // namespace torchdet::ops::simd
