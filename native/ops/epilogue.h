// What follows a sum in a network, done while the sum is in a register. Owns nothing: bias and
// other are the caller's.
#pragma once

#include <cstdint>
#include <limits>

#include "simd.h"

namespace torchdet::ops {

// activation(sum + bias + other); bias has a value for each column, other is laid out as the
// output.
struct Epilogue {
  enum class Activation { none, clamp, hardswish };
  const float* bias = nullptr;
  const float* other = nullptr;
  Activation activation = Activation::none;
  float low = 0;  // of clamp; ReLU's are 0 and infinity
  float high = std::numeric_limits<float>::infinity();

  // The values for `column` and on, which go to out[at].
  template <int Bytes>
  TORCHDET_INLINE inline void finish(simd::Vector<float, Bytes>& value, int64_t column,
                                     int64_t at) const {
    using V = simd::Vector<float, Bytes>;
    const V zero = {};
    if (bias != nullptr) value += *reinterpret_cast<const V*>(bias + column);
    if (other != nullptr) value += *reinterpret_cast<const V*>(other + at);
    // Comparisons that leave NaN as it is, as torch does.
    if (activation == Activation::clamp) {
      const V least = zero + low, most = zero + high;
      value = value < least ? least : value;
      value = value > most ? most : value;
    } else if (activation == Activation::hardswish) {
      const V six = zero + 6.0f;
      V gate = value + 3.0f;
      gate = gate < zero ? zero : gate;
      gate = gate > six ? six : gate;
      value = value * gate / 6.0f;
    }
  }
};

}  // namespace torchdet::ops
