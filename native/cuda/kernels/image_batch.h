// From uint8 pixels to a network's batch in one pass: normalised, resized, padded with zeros,
// channels last. The numbers are those of the CPU's path (detection/image_resize.h). Owns nothing.
#pragma once

#include <cmath>
#include <cstdint>

#include "../../detection/linear_tap.h"
#include "../../ops/host_device.h"

namespace torchdet::cuda {

// One row of the table of images.
struct PackedImage {
  int64_t offset;                   // of its pixels in the packed bytes
  int64_t height, width, channels;  // as it came: 1, 3 or 4 interleaved channels
  int64_t out_height, out_width;    // its size in the batch
};
constexpr int64_t kPackedImageNumbers = 6;

struct FillBatch {
  const uint8_t* bytes;
  const PackedImage* images;
  int64_t height, width;  // of the batch
  float mean[3], std[3];
  int64_t source[3];  // channel of the image that each of the batch is
  float* out;         // images x height x width x 3

  // first * first_weight + second * second_weight, without the rounding of the first product.
  TORCHDET_HOST_DEVICE static float blend(float first, float second, const detection::Tap& tap) {
    return std::fma(first, tap.first_weight, second * tap.second_weight);
  }

  // One thread for each pixel of the batch.
  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t x = index % width;
    const int64_t y = index / width % height;
    const PackedImage& image = images[index / width / height];
    float* pixel = out + index * 3;
    if (y >= image.out_height || x >= image.out_width) {
      pixel[0] = pixel[1] = pixel[2] = 0.0f;
      return;
    }
    const detection::Tap row = detection::linear_tap(
        detection::resize_scale(image.height, image.out_height), image.height, y);
    const detection::Tap column = detection::linear_tap(
        detection::resize_scale(image.width, image.out_width), image.width, x);
    for (int64_t c = 0; c < 3; ++c) {
      const int64_t channel = image.channels == 1 ? 0 : source[c];
      const auto at = [&](int64_t r, int64_t k) {
        const int64_t place = (r * image.width + k) * image.channels + channel;
        return (static_cast<float>(bytes[image.offset + place]) / 255.0f - mean[c]) / std[c];
      };
      const float top = blend(at(row.first, column.first), at(row.first, column.second), column);
      const float bottom =
          blend(at(row.second, column.first), at(row.second, column.second), column);
      pixel[c] = blend(top, bottom, row);
    }
  }
};

}  // namespace torchdet::cuda
