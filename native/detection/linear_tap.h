// One position of a bilinear resize along one axis, as ATen's upsample kernels
// (align_corners=False) compute it in float32. Shared by the CPU's path and the CUDA kernels. Owns
// nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "../ops/host_device.h"

namespace torchdet::detection {

// Two positions and their weights.
struct Tap {
  int32_t first;
  int32_t second;
  float first_weight;
  float second_weight;
};

// Source positions per output position.
TORCHDET_HOST_DEVICE inline float resize_scale(int64_t source_size, int64_t output_size) {
  return static_cast<float>(source_size) / static_cast<float>(output_size);
}

// Source position of an output position's centre. One rounding, as where ATen's kernels are
// compiled with FMA: two would move it by up to 1e-4 of a pixel.
TORCHDET_HOST_DEVICE inline float source_position(float scale, int64_t output) {
  return std::fma(scale, static_cast<float>(output) + 0.5f, -0.5f);
}

TORCHDET_HOST_DEVICE inline Tap linear_tap(float scale, int64_t source_size, int64_t output) {
  const float position = std::max(source_position(scale, output), 0.0f);
  const auto first = std::min(static_cast<int64_t>(position), source_size - 1);
  const float fraction = position - static_cast<float>(first);
  const float weight = std::max(0.0f, std::min(fraction, 1.0f));
  return {static_cast<int32_t>(first), static_cast<int32_t>(std::min(first + 1, source_size - 1)),
          1.0f - weight, weight};
}

}  // namespace torchdet::detection
