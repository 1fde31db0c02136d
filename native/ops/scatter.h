// Vector loops shared by the backward passes. Own nothing. To be called inside simd::vectorised()
// only.
#pragma once

#include <cstdint>

#include "simd.h"

namespace torchdet::ops {

// target[i] += source[i] * weight
template <int Bytes, typename T>
TORCHDET_INLINE inline void add_scaled(T* target, const T* source, T weight, int64_t size) {
  using Vec = simd::Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    *reinterpret_cast<Vec*>(target + i) += *reinterpret_cast<const Vec*>(source + i) * weight;
  }
  for (; i < size; ++i) target[i] += source[i] * weight;
}

template <int Bytes, typename T>
TORCHDET_INLINE inline T dot(const T* a, const T* b, int64_t size) {
  using Vec = simd::Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  Vec sums = {};
  int64_t i = 0;
  for (; i + lanes <= size; i += lanes) {
    sums += *reinterpret_cast<const Vec*>(a + i) * *reinterpret_cast<const Vec*>(b + i);
  }
  T sum = 0;
  for (int64_t lane = 0; lane < lanes; ++lane) sum += sums[lane];
  for (; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace torchdet::ops
