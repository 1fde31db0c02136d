#include "taps.h"

#include <algorithm>
#include <cmath>

namespace torchdet::detection {
namespace {

constexpr float kCubicA = -0.75f;

// The cubic kernel within one cell of its centre, and beyond.
float near_weight(float x) { return ((kCubicA + 2) * x - (kCubicA + 3)) * x * x + 1; }
float far_weight(float x) {
  return ((kCubicA * x - 5 * kCubicA) * x + 8 * kCubicA) * x - 4 * kCubicA;
}

}  // namespace

std::vector<Tap> linear_taps(int64_t source_size, int64_t output_size) {
  std::vector<Tap> taps(output_size);
  const float scale = resize_scale(source_size, output_size);
  for (int64_t i = 0; i < output_size; ++i) taps[i] = linear_tap(scale, source_size, i);
  return taps;
}

std::vector<CubicTap> cubic_taps(int64_t source_size, int64_t output_size) {
  std::vector<CubicTap> taps(output_size);
  const float scale = resize_scale(source_size, output_size);
  for (int64_t i = 0; i < output_size; ++i) {
    const float position = source_position(scale, i);
    const auto first = std::min(static_cast<int64_t>(std::floor(position)), source_size - 1);
    const float t = std::clamp(position - static_cast<float>(first), 0.0f, 1.0f);
    for (int64_t k = 0; k < 4; ++k) {
      taps[i].positions[k] =
          static_cast<int32_t>(std::clamp<int64_t>(first - 1 + k, 0, source_size - 1));
    }
    taps[i].weights = {far_weight(t + 1), near_weight(t), near_weight(1 - t), far_weight(2 - t)};
  }
  return taps;
}

}  // namespace torchdet::detection
