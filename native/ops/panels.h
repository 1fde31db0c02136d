// Matrix products with a right side that was packed once: panels of a few registers' width, so that
// the inner loop reads it in one stream. What follows a product in a network (bias, a sum, an
// activation) is done while it is in registers. Pointers in, pointers out; nothing is owned.
#pragma once

#include <cstdint>

#include "epilogue.h"

namespace torchdet::ops::panels {

// Floats that `pack` writes.
int64_t packed_size(int64_t depth, int64_t columns);

// depth x columns, row by row, to panels. Missing columns of the last one are 0.
void pack(const float* matrix, int64_t depth, int64_t columns, float* out);

// out[i * out_stride + j] = epilogue(sum over k of left[i * left_stride + k] * right(k, j)) for
// rows x columns. The sums go in the order of k, so that no result depends on the rows beside it.
void multiply(const float* left, int64_t left_stride, int64_t rows, const float* packed,
              int64_t depth, int64_t columns, float* out, int64_t out_stride,
              const Epilogue& epilogue);

}  // namespace torchdet::ops::panels
