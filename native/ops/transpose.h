// Transposing small tiles in registers. Functions of run-time chosen width: see simd.h. They own
// nothing.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include "simd.h"

namespace torchdet::ops::simd {
namespace detail {

template <typename T>
using IndexOf = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// The first (or second) halves of a and b, element by element in turn.
template <bool Second, typename T, int Bytes, int64_t... Index>
TORCHDET_INLINE inline void interleave(const Vector<T, Bytes>& a, const Vector<T, Bytes>& b,
                                       Vector<T, Bytes>& out,
                                       std::integer_sequence<int64_t, Index...>) {
  constexpr int64_t lanes = sizeof...(Index);
  constexpr int64_t from = Second ? lanes / 2 : 0;
#if defined(__clang__)
  out = __builtin_shufflevector(a, b, (from + Index / 2 + Index % 2 * lanes)...);
#else
  using Indices = Vector<IndexOf<T>, Bytes>;
  constexpr Indices order = {(from + Index / 2 + Index % 2 * lanes)...};
  out = __builtin_shuffle(a, b, order);
#endif
}

}  // namespace detail

// A tile of as many rows and columns as a register of `Bytes` has elements: out[c][r] = in[r][c],
// with the distance between rows of each.
template <int Bytes, typename T>
TORCHDET_INLINE inline void transpose_tile(const T* in, int64_t in_stride, T* out,
                                           int64_t out_stride) {
  using Vec = Vector<T, Bytes>;
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  constexpr auto all = std::make_integer_sequence<int64_t, lanes>{};
  Vec rows[lanes];
  Vec next[lanes];
#pragma GCC unroll 16
  for (int64_t r = 0; r < lanes; ++r) rows[r] = *reinterpret_cast<const Vec*>(in + r * in_stride);
    // Each round brings rows that are half the tile apart next to each other, as a riffle does with
    // a pack of cards: after log2(lanes) of them, every element is where it belongs.
#pragma GCC unroll 4
  for (int64_t round = 1; round < lanes; round *= 2) {
#pragma GCC unroll 8
    for (int64_t r = 0; r < lanes / 2; ++r) {
      const Vec& a = rows[r];
      const Vec& b = rows[r + lanes / 2];
      detail::interleave<false, T, Bytes>(a, b, next[2 * r], all);
      detail::interleave<true, T, Bytes>(a, b, next[2 * r + 1], all);
    }
#pragma GCC unroll 16
    for (int64_t r = 0; r < lanes; ++r) rows[r] = next[r];
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < lanes; ++r) *reinterpret_cast<Vec*>(out + r * out_stride) = rows[r];
}

// rows x columns of `in` to columns x rows of `out`; every element of `out` is written, some twice.
template <int Bytes, typename T>
TORCHDET_INLINE inline void transpose(const T* in, int64_t in_stride, int64_t rows, int64_t columns,
                                      T* out, int64_t out_stride) {
  constexpr int64_t lanes = Bytes / static_cast<int64_t>(sizeof(T));
  if (rows < lanes || columns < lanes) {
    for (int64_t c = 0; c < columns; ++c) {
      for (int64_t r = 0; r < rows; ++r) out[c * out_stride + r] = in[r * in_stride + c];
    }
    return;
  }
  // The last tile of a row or column of tiles lies over the one before.
  for (int64_t c = 0; c < columns; c += lanes) {
    const int64_t column = c + lanes > columns ? columns - lanes : c;
    for (int64_t r = 0; r < rows; r += lanes) {
      const int64_t row = r + lanes > rows ? rows - lanes : r;
      transpose_tile<Bytes>(in + row * in_stride + column, in_stride,
                            out + column * out_stride + row, out_stride);
    }
  }
}

}  // namespace torchdet::ops::simd
