#include "image_resize.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "../ops/simd.h"
#include "taps.h"

namespace torchdet::detection {
namespace {

constexpr int64_t kChannels = 3;

// Normalised values of interleaved uint8 pixels. There are only 256 per channel, so they are looked
// up.
class PixelSource {
 public:
  PixelSource(const ImageView& image, const Normalization& normalization)
      : pixels_(image.pixels), row_stride_(image.width * image.channels), step_(image.channels) {
    for (int64_t channel = 0; channel < kChannels; ++channel) {
      offsets_[channel] = image.channels == 1 ? 0 : normalization.source[channel];
      for (int value = 0; value < 256; ++value) {
        table_[channel][value] =
            (static_cast<float>(value) / 255.0f - normalization.mean[channel]) /
            normalization.std[channel];
      }
    }
  }

  void select_row(int64_t row) { row_ = pixels_ + row * row_stride_; }

  TORCHDET_INLINE float operator()(int64_t column, int64_t channel) const {
    return table_[channel][row_[column * step_ + offsets_[channel]]];
  }

 private:
  const uint8_t* pixels_;
  const uint8_t* row_ = nullptr;
  int64_t row_stride_;
  int64_t step_;
  std::array<int64_t, kChannels> offsets_;  // of each channel of the batch within a pixel
  std::array<std::array<float, 256>, kChannels> table_;
};

// Normalised values of a contiguous CHW float tensor.
class PlaneSource {
 public:
  PlaneSource(const ImageView& image, const Normalization& normalization)
      : data_(image.tensor.const_data_ptr<float>()),
        width_(image.tensor.size(2)),
        normalization_(normalization) {
    const int64_t plane = image.tensor.size(0) == 1 ? 0 : image.tensor.size(1) * width_;
    for (int64_t channel = 0; channel < kChannels; ++channel) {
      offsets_[channel] = normalization.source[channel] * plane;
    }
  }

  void select_row(int64_t row) { row_ = data_ + row * width_; }

  TORCHDET_INLINE float operator()(int64_t column, int64_t channel) const {
    return (row_[offsets_[channel] + column] - normalization_.mean[channel]) /
           normalization_.std[channel];
  }

 private:
  const float* data_;
  const float* row_ = nullptr;
  int64_t width_;
  std::array<int64_t, kChannels> offsets_;  // of each channel of the batch, to its plane
  Normalization normalization_;
};

// first * tap.first_weight + second * tap.second_weight. Where the processor has FMA, ATen's kernel
// leaves out the rounding of the first product, and so do we: the batch is then equal to
// torchvision's bit by bit (but for images of a few dozen pixels, for which ATen has another
// kernel).
template <int RegisterBytes>
TORCHDET_INLINE inline float blend(float first, float second, const Tap& tap) {
  if constexpr (RegisterBytes > 16) {
    return __builtin_fmaf(first, tap.first_weight, second * tap.second_weight);
  }
  return first * tap.first_weight + second * tap.second_weight;
}

// Source rows resized along x. Two neighbouring ones are kept, since consecutive output rows mostly
// need the same two.
template <typename Source>
class ResizedRows {
 public:
  ResizedRows(const Source& source, const std::vector<Tap>& taps) : source_(source), taps_(taps) {
    for (auto& row : rows_) row.resize(taps.size() * kChannels);
  }

  const float* get(int64_t row) {
    const int64_t slot = row % 2;
    if (held_[slot] != row) {
      fill(row, rows_[slot].data());
      held_[slot] = row;
    }
    return rows_[slot].data();
  }

 private:
  void fill(int64_t row, float* out) {
    source_.select_row(row);
    ops::simd::vectorised([&](auto width) TORCHDET_INLINE {
      float* next = out;
      for (const Tap& tap : taps_) {
        for (int64_t channel = 0; channel < kChannels; ++channel) {
          *next++ = blend<decltype(width)::value>(source_(tap.first, channel),
                                                  source_(tap.second, channel), tap);
        }
      }
    });
  }

  Source source_;  // a copy: each thread selects its own row
  const std::vector<Tap>& taps_;
  std::array<std::vector<float>, 2> rows_;
  std::array<int64_t, 2> held_ = {-1, -1};
};

void blend_rows(const float* first, const float* second, const Tap& tap, int64_t count,
                float* out) {
  ops::simd::vectorised([&](auto width) TORCHDET_INLINE {
    for (int64_t i = 0; i < count; ++i) {
      out[i] = blend<decltype(width)::value>(first[i], second[i], tap);
    }
  });
}

template <typename Source>
void resize_rows(const Source& source, const ImageSize& source_size, const ImageSlot& slot) {
  const std::vector<Tap> y_taps = linear_taps(source_size[0], slot.size[0]);
  const std::vector<Tap> x_taps = linear_taps(source_size[1], slot.size[1]);
  const int64_t used = slot.size[1] * kChannels;
  const int64_t row_length = slot.padded[1] * kChannels;
  at::parallel_for(0, slot.padded[0], 16, [&](int64_t begin, int64_t end) {
    ResizedRows<Source> rows(source, x_taps);
    for (int64_t y = begin; y < end; ++y) {
      float* out = slot.data + y * row_length;
      if (y >= slot.size[0]) {
        std::fill_n(out, row_length, 0.0f);
        continue;
      }
      const Tap& tap = y_taps[y];
      const float* first = rows.get(tap.first);
      blend_rows(first, rows.get(tap.second), tap, used, out);
      std::fill_n(out + used, row_length - used, 0.0f);
    }
  });
}

}  // namespace

void resize_into(const ImageView& image, const Normalization& normalization,
                 const ImageSlot& slot) {
  if (image.tensor.defined()) {
    resize_rows(PlaneSource(image, normalization), {image.tensor.size(1), image.tensor.size(2)},
                slot);
  } else {
    resize_rows(PixelSource(image, normalization), {image.height, image.width}, slot);
  }
}

}  // namespace torchdet::detection
