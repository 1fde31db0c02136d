#include "panels.h"

#include <algorithm>

namespace torchdet::ops::panels {
namespace {

// A panel is two registers wide, the last one if one is enough.
constexpr int kRegisters = 2;

// Rows whose sums stay in registers: 32 of AVX-512, 16 of the others, less those of the panel's row
// and a factor.
template <int Bytes>
constexpr int kRows = Bytes == 64 ? 12 : 6;

// Floats of the left side that stay in the second-level cache beside a panel.
constexpr int64_t kNear = int64_t{96} << 10;

int64_t lanes() {
  switch (simd::isa()) {
    case simd::Isa::avx512:
      return 16;
    case simd::Isa::avx2:
      return 8;
    case simd::Isa::baseline:
      return 4;
  }
  return 4;
}

// Rows x (Registers wide) sums; `there` of their columns exist.
template <int Bytes, int Rows, int Registers>
TORCHDET_INLINE inline void product(const float* left, int64_t left_stride, const float* panel,
                                    int64_t depth, float* out, int64_t out_stride, int64_t column,
                                    int64_t there, const Epilogue& epilogue) {
  using V = simd::Vector<float, Bytes>;
  constexpr int kLanes = Bytes / sizeof(float);
  constexpr int kWidth = Registers * kLanes;
  V sums[Rows][Registers] = {};
  for (int64_t k = 0; k < depth; ++k) {
    V right[Registers];
#pragma GCC unroll 2
    for (int r = 0; r < Registers; ++r) {
      right[r] = *reinterpret_cast<const V*>(panel + k * kWidth + r * kLanes);
    }
#pragma GCC unroll 12
    for (int row = 0; row < Rows; ++row) {
      const float factor = left[row * left_stride + k];
#pragma GCC unroll 2
      for (int r = 0; r < Registers; ++r) sums[row][r] += factor * right[r];
    }
  }
  if (there >= kWidth) {
#pragma GCC unroll 12
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 2
      for (int r = 0; r < Registers; ++r) {
        const int64_t at = row * out_stride + column + r * kLanes;
        epilogue.finish<Bytes>(sums[row][r], column + r * kLanes, at);
        *reinterpret_cast<V*>(out + at) = sums[row][r];
      }
    }
    return;
  }
  // Through memory: an index that is not known would put the sums there from the start.
  alignas(64) float columns[Rows * kWidth];
#pragma GCC unroll 12
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 2
    for (int r = 0; r < Registers; ++r) {
      *reinterpret_cast<V*>(columns + row * kWidth + r * kLanes) = sums[row][r];
    }
  }
  using One = simd::Vector<float, sizeof(float)>;
  for (int row = 0; row < Rows; ++row) {
    for (int64_t j = 0; j < there; ++j) {
      const int64_t at = row * out_stride + column + j;
      One value = {columns[row * kWidth + j]};
      epilogue.finish<sizeof(float)>(value, column + j, at);
      out[at] = value[0];
    }
  }
}

// The panels of `columns`: f(first column, Registers, where it is packed).
template <typename F>
TORCHDET_INLINE inline void for_panels(int64_t columns, int64_t depth, int64_t width,
                                       const float* packed, const F& f) {
  for (int64_t column = 0; column < columns; column += kRegisters * width) {
    if (columns - column > width) {
      f(column, simd::Width<kRegisters>{}, packed + depth * column);
    } else {
      f(column, simd::Width<1>{}, packed + depth * column);
    }
  }
}

}  // namespace

int64_t packed_size(int64_t depth, int64_t columns) {
  const int64_t width = lanes();
  return depth * ((columns + width - 1) / width) * width;
}

void pack(const float* matrix, int64_t depth, int64_t columns, float* out) {
  const int64_t width = lanes();
  for (int64_t from = 0; from < columns; from += kRegisters * width) {
    const int64_t there = std::min(kRegisters * width, columns - from);
    const int64_t panel = there > width ? kRegisters * width : width;
    for (int64_t k = 0; k < depth; ++k, out += panel) {
      std::fill(std::copy_n(matrix + k * columns + from, there, out), out + panel, 0.0f);
    }
  }
}

void multiply(const float* left, int64_t left_stride, int64_t rows, const float* packed,
              int64_t depth, int64_t columns, float* out, int64_t out_stride,
              const Epilogue& epilogue) {
  simd::vectorised([&](auto bytes) TORCHDET_INLINE {
    constexpr int kBytes = decltype(bytes)::value;
    constexpr int kMost = kRows<kBytes>;
    // Rows that stay in the cache while the panels pass, and each panel while these rows pass.
    const int64_t block = std::max<int64_t>(kNear / std::max<int64_t>(depth, 1) / kMost, 1) * kMost;
    for (int64_t first = 0; first < rows; first += block) {
      const int64_t last = std::min(rows, first + block);
      for_panels(columns, depth, kBytes / static_cast<int64_t>(sizeof(float)), packed,
                 [&](int64_t column, auto registers, const float* panel) TORCHDET_INLINE {
                   int64_t row = first;
                   const auto groups = [&](auto count) TORCHDET_INLINE {
                     constexpr int kCount = decltype(count)::value;
                     for (; row + kCount <= last; row += kCount) {
                       Epilogue here = epilogue;
                       if (here.other != nullptr) here.other += row * out_stride;
                       product<kBytes, kCount, decltype(registers)::value>(
                           left + row * left_stride, left_stride, panel, depth,
                           out + row * out_stride, out_stride, column, columns - column, here);
                     }
                   };
                   groups(simd::Width<kMost>{});
                   groups(simd::Width<kMost / 3>{});
                   groups(simd::Width<1>{});
                 });
    }
  });
}

}  // namespace torchdet::ops::panels
