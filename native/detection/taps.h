// Where an output position lies between source positions, for resizing by interpolation: positions
// and weights of one axis in float32, as ATen's upsample kernels (align_corners=False) compute them
// from the two sizes. Plain values, computed once per axis and shared by all rows.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "linear_tap.h"

namespace torchdet::detection {

// Bilinear, position by position.
std::vector<Tap> linear_taps(int64_t source_size, int64_t output_size);

// Bicubic (A = -0.75): four neighbouring positions, those beyond the edge repeated, and weights.
struct CubicTap {
  std::array<int32_t, 4> positions;
  std::array<float, 4> weights;
};

std::vector<CubicTap> cubic_taps(int64_t source_size, int64_t output_size);

}  // namespace torchdet::detection
