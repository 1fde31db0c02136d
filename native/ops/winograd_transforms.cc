#include "winograd_transforms.h"

#include <algorithm>

#include "simd.h"

namespace torchdet::ops::winograd {
namespace {

// One tile's place in the batch.
struct Place {
  int64_t image, y, x;  // of its first output
  Place(const Extent& extent, int64_t tile)
      : image(tile / extent.tiles()),
        y(tile % extent.tiles() / extent.tiles_across() * kTile),
        x(tile % extent.tiles_across() * kTile) {}
};

// B^T d, one column.
template <typename V>
TORCHDET_INLINE inline void input_column(const V* d, V* out, int step) {
  const V a = d[4] - 4.0f * d[2], b = d[3] - 4.0f * d[1];
  const V c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
  out[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
  out[step] = a + b;
  out[2 * step] = a - b;
  out[3 * step] = c + e;
  out[4 * step] = c - e;
  out[5 * step] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

// A^T m, one column.
template <typename V>
TORCHDET_INLINE inline void output_column(const V* m, V* out, int step) {
  const V a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  out[0] = m[0] + a + c;
  out[step] = b + 2.0f * d;
  out[2 * step] = a + 4.0f * c;
  out[3 * step] = b + 8.0f * d + m[5];
}

template <int Bytes>
TORCHDET_INLINE inline void input_channels(const float* const* rows, int64_t channel, float* out,
                                           int64_t stride) {
  using V = simd::Vector<float, Bytes>;
  V half[kPoints];
  for (int column = 0; column < kPatch; ++column) {
    V d[kPatch];
    for (int row = 0; row < kPatch; ++row) {
      d[row] = *reinterpret_cast<const V*>(rows[row * kPatch + column] + channel);
    }
    input_column(d, half + column, kPatch);
  }
  for (int row = 0; row < kPatch; ++row) {
    V points[kPatch];
    input_column(half + row * kPatch, points, 1);
    for (int column = 0; column < kPatch; ++column) {
      *reinterpret_cast<V*>(out + (row * kPatch + column) * stride + channel) = points[column];
    }
  }
}

template <int Bytes>
TORCHDET_INLINE inline void output_channels(const float* in, int64_t stride, int64_t channel,
                                            const Epilogue& epilogue, float* out, int64_t at,
                                            int64_t row_stride, int64_t channels, int rows,
                                            int columns) {
  using V = simd::Vector<float, Bytes>;
  V half[kTile * kPatch];
  for (int column = 0; column < kPatch; ++column) {
    V m[kPatch];
    for (int row = 0; row < kPatch; ++row) {
      m[row] = *reinterpret_cast<const V*>(in + (row * kPatch + column) * stride + channel);
    }
    output_column(m, half + column, kPatch);
  }
  for (int row = 0; row < rows; ++row) {
    V sums[kTile];
    output_column(half + row * kPatch, sums, 1);
    for (int column = 0; column < columns; ++column) {
      const int64_t place = at + row * row_stride + column * channels + channel;
      epilogue.finish<Bytes>(sums[column], channel, place);
      *reinterpret_cast<V*>(out + place) = sums[column];
    }
  }
}

}  // namespace

void transform_input(const float* input, const Extent& extent, int64_t begin, int64_t end,
                     const float* zeros, float* out, const Strides& strides) {
  const int64_t channels = extent.channels;
  simd::vectorised([&](auto width) TORCHDET_INLINE {
    constexpr int kBytes = decltype(width)::value;
    constexpr int64_t kLanes = kBytes / sizeof(float);
    for (int64_t tile = begin; tile < end; ++tile) {
      const Place place(extent, tile);
      const float* image = input + place.image * extent.height * extent.width * channels;
      const float* rows[kPoints];
      for (int row = 0; row < kPatch; ++row) {
        for (int column = 0; column < kPatch; ++column) {
          const int64_t y = place.y + row - 1, x = place.x + column - 1;
          const bool inside = y >= 0 && y < extent.height && x >= 0 && x < extent.width;
          rows[row * kPatch + column] = inside ? image + (y * extent.width + x) * channels : zeros;
        }
      }
      float* to = out + (tile - begin) * strides.tile;
      int64_t channel = 0;
      for (; channel + kLanes <= channels; channel += kLanes) {
        input_channels<kBytes>(rows, channel, to, strides.point);
      }
      for (; channel < channels; ++channel) {
        input_channels<sizeof(float)>(rows, channel, to, strides.point);
      }
    }
  });
}

void transform_output(const float* products, const Extent& extent, int64_t begin, int64_t end,
                      const Strides& strides, const Epilogue& epilogue, float* output) {
  const int64_t channels = extent.channels, row_stride = extent.width * channels;
  simd::vectorised([&](auto width) TORCHDET_INLINE {
    constexpr int kBytes = decltype(width)::value;
    constexpr int64_t kLanes = kBytes / sizeof(float);
    for (int64_t tile = begin; tile < end; ++tile) {
      const Place place(extent, tile);
      const int rows = static_cast<int>(std::min<int64_t>(kTile, extent.height - place.y));
      const int columns = static_cast<int>(std::min<int64_t>(kTile, extent.width - place.x));
      const float* from = products + (tile - begin) * strides.tile;
      const int64_t at =
          ((place.image * extent.height + place.y) * extent.width + place.x) * channels;
      int64_t channel = 0;
      for (; channel + kLanes <= channels; channel += kLanes) {
        output_channels<kBytes>(from, strides.point, channel, epilogue, output, at, row_stride,
                                channels, rows, columns);
      }
      for (; channel < channels; ++channel) {
        output_channels<sizeof(float)>(from, strides.point, channel, epilogue, output, at,
                                       row_stride, channels, rows, columns);
      }
    }
  });
}

}  // namespace torchdet::ops::winograd
