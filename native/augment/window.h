// Copies a window of an image, which may reach beyond it, mirrored if asked. Memory is borrowed.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "steps.h"

namespace torchdet::augment {

// `pixels` and `out`: rows of `Channels` interleaved bytes a pixel (3: an image, 1: a mask).
template <int Channels>
void copy_window(const uint8_t* pixels, Size size, const Window& window, uint8_t* out) {
  const int64_t row_length = window.width * Channels;
  std::vector<uint8_t> filled(row_length, 0);
  if (Channels == 3) {
    for (int64_t i = 0; i < row_length; ++i) filled[i] = window.fill[i % 3];
  }
  // Columns of the window that lie on the image.
  const int64_t first = std::clamp<int64_t>(-window.left, 0, window.width);
  const int64_t last = std::clamp<int64_t>(size.width - window.left, first, window.width);
  for (int64_t y = 0; y < window.height; ++y, out += row_length) {
    const int64_t source_y = window.top + y;
    const bool outside = source_y < 0 || source_y >= size.height || first == last;
    if (outside || last - first < window.width) std::memcpy(out, filled.data(), row_length);
    if (outside) continue;
    const uint8_t* source = pixels + (source_y * size.width + window.left + first) * Channels;
    if (!window.flip) {
      std::memcpy(out + first * Channels, source, (last - first) * Channels);
      continue;
    }
    uint8_t* target = out + (window.width - 1 - first) * Channels;
    for (int64_t x = first; x < last; ++x, source += Channels, target -= Channels) {
      for (int channel = 0; channel < Channels; ++channel) target[channel] = source[channel];
    }
  }
}

}  // namespace torchdet::augment
