// The deformable convolution around its matrix products: columns of samples, and from the columns'
// gradient those of the image, the offsets and the mask. Layouts as on the CPU
// (ops/deform_conv2d.h), with the output pixels of several images, one after the other, as rows.
// Own nothing.
#pragma once

#include <cstdint>

#include "../../ops/deform_samples.h"
#include "atomic.h"

namespace torchdet::cuda {

// Rows first..first + size of a batch's output pixels, and its tensors.
template <typename T>
struct DeformRows {
  ops::DeformShape shape;
  const T* images;   // batch x height x width x channels
  const T* offsets;  // batch x offset_groups x taps x 2 x out_h x out_w
  const T* masks;    // batch x offset_groups x taps x out_h x out_w, or null
  int64_t first, size;
  int64_t rows;  // of a group's matrix, of which `size` are used

  TORCHDET_HOST_DEVICE int64_t image(int64_t row) const {
    return (first + row) / shape.out_pixels();
  }

  TORCHDET_HOST_DEVICE int64_t plane(int64_t row, int64_t offset_group, int64_t tap) const {
    return (image(row) * shape.offset_groups + offset_group) * shape.taps() + tap;
  }

  TORCHDET_HOST_DEVICE T modulation(int64_t row, int64_t offset_group, int64_t tap) const {
    if (masks == nullptr) return T(1);
    const int64_t pixel = (first + row) % shape.out_pixels();
    return masks[plane(row, offset_group, tap) * shape.out_pixels() + pixel];
  }

  TORCHDET_HOST_DEVICE ops::Sample<T> sample(int64_t row, int64_t offset_group, int64_t tap) const {
    const int64_t pixel = (first + row) % shape.out_pixels();
    const T* shift = offsets + plane(row, offset_group, tap) * 2 * shape.out_pixels() + pixel;
    return ops::deform_sample(shape, tap, pixel, shift[0], shift[shape.out_pixels()]);
  }

  // Place of a number in the columns.
  TORCHDET_HOST_DEVICE int64_t column(int64_t row, int64_t tap, int64_t channel) const {
    const int64_t width = shape.group_channels();
    return ((channel / width * rows + row) * shape.taps() + tap) * width + channel % width;
  }

  // Threads of a kernel with one for each sampled number.
  int64_t numbers() const { return size * shape.taps() * shape.channels; }

  // What thread `index` of such a kernel has to do with.
  struct Number {
    int64_t channel, tap, row;
    ops::Sample<T> at;
    T scale;
  };
  TORCHDET_HOST_DEVICE Number number(int64_t index) const {
    const int64_t channel = index % shape.channels;
    const int64_t tap = index / shape.channels % shape.taps();
    const int64_t row = index / shape.channels / shape.taps();
    const int64_t group = channel / shape.offset_group_channels();
    return {channel, tap, row, sample(row, group, tap), modulation(row, group, tap)};
  }
};

template <typename T>
struct DeformColumns {
  DeformRows<T> part;
  T* columns;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const ops::DeformShape& shape = part.shape;
    const auto [channel, tap, row, at, scale] = part.number(index);
    const T* image =
        part.images + part.image(row) * shape.height * shape.width * shape.channels + channel;
    T sum = 0;
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t pixel = at.pixel[corner];
      const T value = pixel < 0 ? T(0) : image[pixel * shape.channels];
      sum += value * (at.weight(corner) * scale);
    }
    columns[part.column(row, tap, channel)] = sum;
  }
};

template <typename T>
struct DeformInputGradient {
  DeformRows<T> part;
  const T* columns;  // their gradient
  T* grad_images;    // as images

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const ops::DeformShape& shape = part.shape;
    const auto [channel, tap, row, at, scale] = part.number(index);
    const T grad = columns[part.column(row, tap, channel)];
    T* image =
        grad_images + part.image(row) * shape.height * shape.width * shape.channels + channel;
    for (int corner = 0; corner < 4; ++corner) {
      const int64_t pixel = at.pixel[corner];
      if (pixel >= 0) add_to(image + pixel * shape.channels, grad * (at.weight(corner) * scale));
    }
  }
};

// One thread for each row, offset group and tap, rows fastest.
template <typename T>
struct DeformOffsetGradient {
  DeformRows<T> part;
  const T* columns;  // their gradient
  T* grad_offsets;   // as offsets
  T* grad_masks;     // as masks, or null

  int64_t threads() const { return part.size * part.shape.offset_groups * part.shape.taps(); }

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const ops::DeformShape& shape = part.shape;
    const int64_t row = index % part.size;
    const int64_t tap = index / part.size % shape.taps();
    const int64_t group = index / part.size / shape.taps();
    const ops::Sample<T> at = part.sample(row, group, tap);
    const T* image = part.images + part.image(row) * shape.height * shape.width * shape.channels;
    const int64_t from = group * shape.offset_group_channels();
    // How much each of the tap's four pixels agrees with the column's gradient.
    T agreement[4] = {};
    for (int64_t c = from; c < from + shape.offset_group_channels(); ++c) {
      const T grad = columns[part.column(row, tap, c)];
      for (int corner = 0; corner < 4; ++corner) {
        const int64_t pixel = at.pixel[corner];
        if (pixel >= 0) agreement[corner] += image[pixel * shape.channels + c] * grad;
      }
    }
    const T scale = part.modulation(row, group, tap);
    const int64_t plane = part.plane(row, group, tap);
    const int64_t pixel = (part.first + row) % shape.out_pixels();
    T* along_y = grad_offsets + plane * 2 * shape.out_pixels() + pixel;
    along_y[0] = scale * (at.x * (agreement[3] - agreement[1]) +
                          (T(1) - at.x) * (agreement[2] - agreement[0]));
    along_y[shape.out_pixels()] = scale * (at.y * (agreement[3] - agreement[2]) +
                                           (T(1) - at.y) * (agreement[1] - agreement[0]));
    if (grad_masks == nullptr) return;
    T sum = 0;
    for (int corner = 0; corner < 4; ++corner) sum += at.weight(corner) * agreement[corner];
    grad_masks[plane * shape.out_pixels() + pixel] = sum;
  }
};

}  // namespace torchdet::cuda
