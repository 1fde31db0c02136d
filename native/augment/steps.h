// What becomes of an image's pixels, step by step, as TypeScript has drawn it. Plain values that
// own nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace torchdet::augment {

// Factors and order as torchvision's RandomPhotometricDistort: brightness, contrast if it comes
// first, saturation, hue, contrast otherwise, channels. What is empty is left out.
struct Colour {
  std::optional<double> brightness;
  std::optional<double> contrast;
  std::optional<double> saturation;
  std::optional<double> hue;  // turns of the colour circle, -0.5 to 0.5
  bool contrast_first = true;
  std::array<int64_t, 3> channels = {0, 1, 2};  // channel c becomes what channels[c] was
};

// A crop, a pad, or both: the `width` x `height` pixels whose upper left corner lies at (left,
// top), which may be outside; there `fill` is seen (0 in masks). Then mirrored left to right if
// `flip`.
struct Window {
  int64_t left = 0;
  int64_t top = 0;
  int64_t width = 0;
  int64_t height = 0;
  std::array<uint8_t, 3> fill = {0, 0, 0};
  bool flip = false;
};

// Bilinear with antialiasing for pixels, nearest for masks.
struct Resize {
  int64_t width = 0;
  int64_t height = 0;
};

using Step = std::variant<Colour, Window, Resize>;

struct Size {
  int64_t width;
  int64_t height;
};

inline Size size_after(const Step& step, Size size) {
  if (const auto* window = std::get_if<Window>(&step)) return {window->width, window->height};
  if (const auto* resize = std::get_if<Resize>(&step)) return {resize->width, resize->height};
  return size;
}

inline Size size_after(const std::vector<Step>& steps, Size size) {
  for (const Step& step : steps) size = size_after(step, size);
  return size;
}

}  // namespace torchdet::augment
