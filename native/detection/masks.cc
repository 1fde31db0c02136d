#include "masks.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "../ops/simd.h"
#include "taps.h"

namespace torchdet::detection {
namespace {

// Cells of zeros around a mask, so that it fades out beyond its box's edge.
constexpr int64_t kPadding = 1;
// Numbers an intermediate result of the tensor path may have.
constexpr int64_t kChunk = int64_t{1} << 26;

// Boxes scaled about their centres, truncated to whole pixels: int64, N x 4.
at::Tensor expand_boxes(const at::Tensor& boxes, double scale) {
  const auto [x1, y1, x2, y2] = std::make_tuple(boxes.select(1, 0), boxes.select(1, 1),
                                                boxes.select(1, 2), boxes.select(1, 3));
  const at::Tensor half_width = ((x2 - x1) * 0.5) * scale;
  const at::Tensor half_height = ((y2 - y1) * 0.5) * scale;
  const at::Tensor x = (x2 + x1) * 0.5;
  const at::Tensor y = (y2 + y1) * 0.5;
  return at::stack({x - half_width, y - half_height, x + half_width, y + half_height}, /*dim=*/1)
      .to(at::kLong);
}

// A zeroed CPU tensor whose pages come from the system when they are first written: most of a mask
// lies outside its box and is never touched.
at::Tensor lazy_zeros(const std::array<int64_t, 4>& shape) {
  const int64_t count = shape[0] * shape[1] * shape[2] * shape[3];
  void* memory = std::calloc(std::max<int64_t>(count, 1), sizeof(float));
  TORCH_CHECK_WITH(OutOfMemoryError, memory != nullptr, "no memory for masks of ", shape[0], " x ",
                   shape[2], " x ", shape[3], " numbers");
  return at::from_blob(
      memory, shape, [](void* data) { std::free(data); }, at::TensorOptions().dtype(at::kFloat));
}

// The part of one axis of the image that a box covers, and where its pixels lie in the mask.
struct Span {
  int64_t begin;
  int64_t end;
  std::vector<Tap> taps;  // of begin..end
};

Span make_span(int64_t low, int64_t high, int64_t cells, int64_t length) {
  const std::vector<Tap> taps = linear_taps(cells, std::max<int64_t>(high - low + 1, 1));
  Span span{std::clamp<int64_t>(low, 0, length), std::clamp<int64_t>(high + 1, 0, length), {}};
  if (span.begin < span.end)
    span.taps.assign(taps.begin() + (span.begin - low), taps.begin() + (span.end - low));
  return span;
}

// One mask, cells[0] x cells[1], into its box's part of the image.
void paste(const float* mask, const ImageSize& cells, const int64_t* box, const ImageSize& size,
           float* image) {
  const Span x = make_span(box[0], box[2], cells[1], size[1]);
  const Span y = make_span(box[1], box[3], cells[0], size[0]);
  const int64_t width = x.end - x.begin;
  if (width <= 0) return;
  std::vector<float> rows(cells[0] * width);
  for (int64_t row = 0; row < cells[0]; ++row) {
    for (int64_t i = 0; i < width; ++i) {
      const Tap& tap = x.taps[i];
      rows[row * width + i] = tap.first_weight * mask[row * cells[1] + tap.first] +
                              tap.second_weight * mask[row * cells[1] + tap.second];
    }
  }
  ops::simd::vectorised([&](auto) TORCHDET_INLINE {
    for (int64_t i = y.begin; i < y.end; ++i) {
      const Tap& tap = y.taps[i - y.begin];
      const float* first = rows.data() + tap.first * width;
      const float* second = rows.data() + tap.second * width;
      float* out = image + i * size[1] + x.begin;
      for (int64_t k = 0; k < width; ++k)
        out[k] = tap.first_weight * first[k] + tap.second_weight * second[k];
    }
  });
}

at::Tensor paste_on_cpu(const at::Tensor& masks, const at::Tensor& boxes, const ImageSize& size) {
  const int64_t count = masks.size(0);
  const ImageSize cells{masks.size(-2), masks.size(-1)};
  const at::Tensor images = lazy_zeros({count, 1, size[0], size[1]});
  const at::Tensor sources = masks.contiguous();
  const auto* mask = sources.const_data_ptr<float>();
  const auto* box = boxes.const_data_ptr<int64_t>();
  auto* image = images.mutable_data_ptr<float>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      paste(mask + i * cells[0] * cells[1], cells, box + 4 * i, size,
            image + i * size[0] * size[1]);
  });
  return images;
}

// For each box (N) and pixel of an axis (L): the two cells it lies between, N x L, and their
// weights, zero outside the box.
struct AxisSamples {
  at::Tensor first, second, first_weight, second_weight;
};

AxisSamples sample_axis(const at::Tensor& low, const at::Tensor& high, int64_t cells,
                        int64_t length) {
  const at::Tensor size = (high - low + 1).clamp_min_(1).unsqueeze(1);
  const at::Tensor offset = at::arange(length, low.options()).unsqueeze(0) - low.unsqueeze(1);
  const at::Tensor inside = offset.ge(0).logical_and_(offset.lt(size)).to(at::kFloat);
  const at::Tensor scale =
      at::full_like(inside.narrow(1, 0, 1), static_cast<double>(cells)).div_(size);
  const at::Tensor position =
      offset.to(at::kFloat).add_(0.5).mul_(scale).sub_(0.5).clamp_(0, cells - 1);
  const at::Tensor floor = at::floor(position);
  const at::Tensor weight = position - floor;
  const at::Tensor first = floor.to(at::kLong);
  return {first, (first + 1).clamp_max_(cells - 1), (1 - weight) * inside, weight * inside};
}

// Every pixel of the image at once, for devices where that is quicker than asking for each box.
at::Tensor paste_on_device(const at::Tensor& masks, const at::Tensor& boxes,
                           const ImageSize& size) {
  const int64_t count = masks.size(0);
  const at::Tensor sources = masks.squeeze(1);
  const int64_t height = sources.size(1);
  const AxisSamples x =
      sample_axis(boxes.select(1, 0), boxes.select(1, 2), sources.size(2), size[1]);
  const AxisSamples y = sample_axis(boxes.select(1, 1), boxes.select(1, 3), height, size[0]);
  const auto columns = [&](const at::Tensor& index) {
    return at::gather(sources, 2, index.unsqueeze(1).expand({count, height, size[1]}));
  };
  const at::Tensor rows = columns(x.first).mul_(x.first_weight.unsqueeze(1)) +
                          columns(x.second).mul_(x.second_weight.unsqueeze(1));
  const at::Tensor images = at::empty({count, 1, size[0], size[1]}, masks.options());
  const int64_t step = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, size[0] * size[1]));
  for (int64_t begin = 0; begin < count; begin += step) {
    const int64_t length = std::min(step, count - begin);
    const auto part = [&](const at::Tensor& tensor) { return tensor.narrow(0, begin, length); };
    const auto weighted = [&](const at::Tensor& index, const at::Tensor& weight) {
      return at::gather(part(rows), 1, part(index).unsqueeze(2).expand({length, size[0], size[1]}))
          .mul_(part(weight).unsqueeze(2));
    };
    part(images).squeeze(1).copy_(
        weighted(y.first, y.first_weight).add_(weighted(y.second, y.second_weight)));
  }
  return images;
}

}  // namespace

at::Tensor select_masks(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor images = at::arange(logits.size(0), labels.options());
  return logits.flatten(0, 1)
      .index_select(0, images * logits.size(1) + labels)
      .sigmoid_()
      .unsqueeze(1);
}

at::Tensor paste_masks(const at::Tensor& masks, const at::Tensor& boxes, const ImageSize& size) {
  const at::Tensor padded =
      at::constant_pad_nd(masks.to(at::kFloat), {kPadding, kPadding, kPadding, kPadding});
  const double scale = static_cast<double>(padded.size(-1)) / static_cast<double>(masks.size(-1));
  const at::Tensor expanded = expand_boxes(boxes, scale);
  return masks.is_cpu() ? paste_on_cpu(padded, expanded, size)
                        : paste_on_device(padded, expanded, size);
}

}  // namespace torchdet::detection
