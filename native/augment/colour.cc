// Compiled without contraction of a * b + c (see CMakeLists.txt): where torchvision's operations
// round in between, so do these; where ATen uses a fused one, it is written out.
#include "colour.h"

#include <algorithm>
#include <cmath>

#include "../ops/simd.h"

namespace torchdet::augment {
namespace {

constexpr int64_t kChannels = 3;

TORCHDET_INLINE inline uint8_t to_byte(float value) {
  return static_cast<uint8_t>(std::min(std::max(value, 0.0f), 255.0f));
}

// As ATen's add(a, b, alpha), which is fused where the processor can.
template <int RegisterBytes>
TORCHDET_INLINE inline float add_scaled(float sum, float value, float factor) {
  if constexpr (RegisterBytes > 16) return __builtin_fmaf(value, factor, sum);
  return sum + value * factor;
}

template <int RegisterBytes>
TORCHDET_INLINE inline float grey_of(const uint8_t* pixel) {
  float grey = static_cast<float>(pixel[0]) * 0.2989f;
  grey = add_scaled<RegisterBytes>(grey, pixel[1], 0.587f);
  grey = add_scaled<RegisterBytes>(grey, pixel[2], 0.114f);
  return static_cast<float>(static_cast<int32_t>(grey));
}

void look_up(const std::array<uint8_t, 256>& table, uint8_t* pixels, int64_t count) {
  for (int64_t i = 0; i < count * kChannels; ++i) pixels[i] = table[pixels[i]];
}

void change_brightness(double factor, uint8_t* pixels, int64_t count) {
  std::array<uint8_t, 256> table;
  for (int value = 0; value < 256; ++value)
    table[value] = to_byte(value * static_cast<float>(factor));
  look_up(table, pixels, count);
}

// A blend with the mean grey of the whole image.
void change_contrast(double factor, uint8_t* pixels, int64_t count) {
  int64_t sum = 0;
  std::array<uint8_t, 256> table;
  ops::simd::vectorised([&](auto width) TORCHDET_INLINE {
    constexpr int bytes = decltype(width)::value;
    for (int64_t i = 0; i < count; ++i) {
      sum += static_cast<int32_t>(grey_of<bytes>(pixels + i * kChannels));
    }
    const auto mean = static_cast<float>(static_cast<double>(sum) / static_cast<double>(count));
    for (int value = 0; value < 256; ++value) {
      table[value] = to_byte(add_scaled<bytes>(value * static_cast<float>(factor), mean,
                                               static_cast<float>(1.0 - factor)));
    }
  });
  look_up(table, pixels, count);
}

// A blend of each pixel with its own grey.
void change_saturation(double factor, uint8_t* pixels, int64_t count) {
  const auto own = static_cast<float>(factor);
  const auto other = static_cast<float>(1.0 - factor);
  ops::simd::vectorised([&](auto width) TORCHDET_INLINE {
    constexpr int bytes = decltype(width)::value;
    for (int64_t i = 0; i < count; ++i) {
      uint8_t* pixel = pixels + i * kChannels;
      const float grey = grey_of<bytes>(pixel);
      for (int64_t channel = 0; channel < kChannels; ++channel) {
        pixel[channel] = to_byte(add_scaled<bytes>(pixel[channel] * own, grey, other));
      }
    }
  });
}

struct Hsv {
  float hue;  // 0 to 1
  float saturation;
  float value;
};

TORCHDET_INLINE inline Hsv to_hsv(float red, float green, float blue) {
  const float highest = std::max(red, std::max(green, blue));
  const float lowest = std::min(red, std::min(green, blue));
  const bool grey = highest == lowest;
  const float range = highest - lowest;
  const float divisor = grey ? 1.0f : range;
  const float red_part = (highest - red) / divisor;
  const float green_part = (highest - green) / divisor;
  const float blue_part = (highest - blue) / divisor;
  const float sixths = highest == red     ? blue_part - green_part
                       : highest == green ? red_part + 2.0f - blue_part
                                          : green_part + 4.0f - red_part;
  const float turn = sixths * static_cast<float>(1.0 / 6.0) + 1.0f;  // 5/6 to 11/6
  return {turn >= 1.0f ? turn - 1.0f : turn, range / (grey ? 1.0f : highest), highest};
}

TORCHDET_INLINE inline float clamp_to_one(float value) {
  return std::min(std::max(value, 0.0f), 1.0f);
}

TORCHDET_INLINE inline void from_hsv(const Hsv& hsv, uint8_t* pixel) {
  const float sixths = hsv.hue * 6.0f;
  const auto sector = static_cast<int32_t>(sixths);
  const float rest = sixths - static_cast<float>(sector);
  const float scaled = hsv.saturation * rest;
  const float unsaturated = 1.0f - hsv.saturation;
  const float value = hsv.value;
  const float falling = clamp_to_one((1.0f - scaled) * value);
  const float rising = clamp_to_one((scaled + unsaturated) * value);
  const float low = clamp_to_one(unsaturated * value);
  float red = value;
  float green = rising;
  float blue = low;
  switch (sector) {
    case 1:
      red = falling, green = value, blue = low;
      break;
    case 2:
      red = low, green = value, blue = rising;
      break;
    case 3:
      red = low, green = falling, blue = value;
      break;
    case 4:
      red = rising, green = low, blue = value;
      break;
    case 5:
      red = value, green = low, blue = falling;
      break;
    default:
      break;  // 0, and 6 where the hue rounds up to a whole turn
  }
  // Just under 256: 1 becomes 255 and all bytes get an equal share of the range.
  pixel[0] = static_cast<uint8_t>(red * 255.999f);
  pixel[1] = static_cast<uint8_t>(green * 255.999f);
  pixel[2] = static_cast<uint8_t>(blue * 255.999f);
}

void change_hue(double turns, uint8_t* pixels, int64_t count) {
  constexpr auto scale = static_cast<float>(1.0 / 255.0);
  const auto shift = static_cast<float>(turns);
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* pixel = pixels + i * kChannels;
    Hsv hsv = to_hsv(pixel[0] * scale, pixel[1] * scale, pixel[2] * scale);
    hsv.hue += shift;
    if (hsv.hue >= 1.0f) hsv.hue -= 1.0f;
    if (hsv.hue < 0.0f) hsv.hue += 1.0f;
    from_hsv(hsv, pixel);
  }
}

void permute(const std::array<int64_t, 3>& channels, uint8_t* pixels, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* pixel = pixels + i * kChannels;
    const std::array<uint8_t, 3> old = {pixel[0], pixel[1], pixel[2]};
    for (int64_t channel = 0; channel < kChannels; ++channel)
      pixel[channel] = old[channels[channel]];
  }
}

}  // namespace

void change_colours(const Colour& colour, uint8_t* pixels, int64_t count) {
  if (colour.brightness) change_brightness(*colour.brightness, pixels, count);
  if (colour.contrast && colour.contrast_first) change_contrast(*colour.contrast, pixels, count);
  if (colour.saturation) change_saturation(*colour.saturation, pixels, count);
  if (colour.hue) change_hue(*colour.hue, pixels, count);
  if (colour.contrast && !colour.contrast_first) change_contrast(*colour.contrast, pixels, count);
  if (colour.channels != std::array<int64_t, 3>{0, 1, 2}) permute(colour.channels, pixels, count);
}

}  // namespace torchdet::augment
