// What forward and backward of the deformable convolution share: the checked sizes, the tensors of
// one image, and the matrix of sampled columns. Owns nothing.
//
// Images are channels-last here, so that everything is vectorised over channels: a tap is four
// pixels and four weights for all channels of an offset group. Columns are [group][output
// pixel][kernel tap][channel of the group]; times the weights, [group][kernel tap x channel][output
// channel of the group], they give the channels-last output.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

#include "deform_samples.h"
#include "simd.h"

namespace torchdet::ops {

// Checks shapes and dtypes; the message names the tensor, its shape and the right one.
DeformShape check_deform(const at::Tensor& input, const at::Tensor& weight,
                         const at::Tensor& offset, const at::Tensor& mask, const at::Tensor& bias,
                         int64_t stride_h, int64_t stride_w, int64_t pad_h, int64_t pad_w,
                         int64_t dilation_h, int64_t dilation_w, int64_t groups,
                         int64_t offset_groups, bool use_mask);

// grad is the output's, in the input's dtype.
void check_deform_grad(const at::Tensor& grad, const at::Tensor& input, const DeformShape& shape);

// weight (out x in / groups x kh x kw) as [group][kernel tap x channel][output channel].
at::Tensor grouped_weight(const at::Tensor& weight, const DeformShape& shape);
// And back.
at::Tensor ungrouped_weight(const at::Tensor& grouped, const DeformShape& shape);

// The tensors of one image, and where its kernel taps sample them.
template <typename T>
struct DeformImage {
  const DeformShape& shape;
  const T* pixels;  // height x width x channels
  const T* offset;  // offset_groups x taps x 2 x out_h x out_w
  const T* mask;    // offset_groups x taps x out_h x out_w, or null

  int64_t plane(int64_t offset_group, int64_t tap) const {
    return offset_group * shape.taps() + tap;
  }

  T modulation(int64_t offset_group, int64_t tap, int64_t out_pixel) const {
    return mask == nullptr ? T(1) : mask[plane(offset_group, tap) * shape.out_pixels() + out_pixel];
  }

  Sample<T> sample(int64_t offset_group, int64_t tap, int64_t out_pixel) const {
    const T* shift = offset + plane(offset_group, tap) * 2 * shape.out_pixels() + out_pixel;
    return deform_sample(shape, tap, out_pixel, shift[0], shift[shape.out_pixels()]);
  }

  // Fills columns with output pixels first..last; `rows` is the number of rows of each group's
  // matrix.
  void fill_columns(int64_t first, int64_t last, int64_t rows, T* columns) const;

  // Calls visit(channel, size, row of the columns for those channels) for the parts of channels
  // from..to that lie in one weight group each.
  template <typename Row, typename Visit>
  TORCHDET_INLINE void for_each_part(int64_t from, int64_t to, int64_t row, int64_t rows,
                                     int64_t tap, Row* columns, const Visit& visit) const {
    const int64_t width = shape.group_channels();
    while (from < to) {
      const int64_t group = from / width;
      const int64_t stop = std::min(to, (group + 1) * width);
      visit(from, stop - from,
            columns + ((group * rows + row) * shape.taps() + tap) * width + from % width);
      from = stop;
    }
  }
};

extern template struct DeformImage<float>;
extern template struct DeformImage<double>;

}  // namespace torchdet::ops
