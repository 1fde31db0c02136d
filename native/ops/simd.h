// Run-time choice of the vector instructions: the binary is built for any x86-64, and a loop given
// to vectorised() is compiled three times (AVX-512, AVX2 with FMA, baseline). Owns nothing.
//
// The loop is a lambda marked TORCHDET_INLINE: inlined into a function with a target attribute it
// is compiled for that target. What it calls must be marked the same or be out of line.
#pragma once

#include <type_traits>

#define TORCHDET_INLINE __attribute__((always_inline))

namespace torchdet::ops::simd {

enum class Isa { baseline, avx2, avx512 };

// What this processor has, found once. ATEN_CPU_CAPABILITY (default, avx2) lowers it, as it does
// LibTorch's own choice.
Isa isa();

template <int Bytes>
using Width = std::integral_constant<int, Bytes>;

// Vector of T that is `Bytes` long and may lie at any address of a T.
template <typename T, int Bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(Bytes), aligned(alignof(T)), may_alias));
};
template <typename T, int Bytes>
using Vector = typename VectorOf<T, Bytes>::type;

namespace detail {

#if defined(__x86_64__)
template <typename Body>
__attribute__((noinline,
               target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512"))) void
run_avx512(const Body& body) {
  body(Width<64>{});
}

template <typename Body>
__attribute__((noinline, target("avx2,fma"))) void run_avx2(const Body& body) {
  body(Width<32>{});
}
#endif

template <typename Body>
__attribute__((noinline)) void run_baseline(const Body& body) {
  body(Width<16>{});
}

}  // namespace detail

// Calls body(Width<bytes of a register>) with the widest instructions of this machine.
template <typename Body>
inline void vectorised(const Body& body) {
#if defined(__x86_64__)
  switch (isa()) {
    case Isa::avx512:
      return detail::run_avx512(body);
    case Isa::avx2:
      return detail::run_avx2(body);
    case Isa::baseline:
      break;
  }
#endif
  detail::run_baseline(body);
}

}  // namespace torchdet::ops::simd
