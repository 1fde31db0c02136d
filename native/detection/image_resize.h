// The CPU path from pixels to the batch: normalising, resizing and padding in one parallel pass
// that reads every source row once or twice and writes every number of the batch once. It borrows
// all memory for the duration of the call.
#pragma once

#include <array>
#include <cstdint>

#include "types.h"

namespace torchdet::detection {

// What becomes of the channels: channel c of the batch is channel `source[c]` of the (RGB) image,
// less mean[c], by std[c].
struct Normalization {
  std::array<float, 3> mean;
  std::array<float, 3> std;
  std::array<int64_t, 3> source = {0, 1, 2};
};

// Where one image of a channels-last batch goes: `padded` rows and columns of 3 floats, the image
// in the top left `size` of them and zeros in the rest.
struct ImageSlot {
  float* data = nullptr;
  ImageSize size;
  ImageSize padded;
};

// `image.tensor`, where that is used, must be a contiguous float32 tensor of 1 or 3 channels on the
// CPU.
void resize_into(const ImageView& image, const Normalization& normalization, const ImageSlot& slot);

}  // namespace torchdet::detection
