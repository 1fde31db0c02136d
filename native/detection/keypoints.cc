#include "keypoints.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/max.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bicubic2d.h>

#include <limits>
#include <vector>

#include "../ops/simd.h"
#include "taps.h"

namespace torchdet::detection {
namespace {

// Largest pixel of each resized heat map: N x K.
struct Peaks {
  at::Tensor columns;  // int64
  at::Tensor rows;     // int64
  at::Tensor values;   // float32
};

struct Peak {
  int64_t column;
  int64_t row;
  float value;
};

// Resizes one heat map, height x width, by the taps of both axes, and finds its largest pixel
// without keeping the others: `rows` holds the heat map with its columns resized, `best` and
// `best_row` the largest pixel of each column so far.
class PeakFinder {
 public:
  PeakFinder(int64_t height, int64_t width) : height_(height), width_(width) {}

  Peak find(const float* heatmap, const std::vector<CubicTap>& x, const std::vector<CubicTap>& y) {
    const auto columns = static_cast<int64_t>(x.size());
    resize_columns(heatmap, x);
    best_.assign(columns, -std::numeric_limits<float>::infinity());
    best_row_.assign(columns, 0);
    for (size_t row = 0; row < y.size(); ++row)
      take_row(y[row], static_cast<int32_t>(row), columns);
    Peak peak{0, best_row_[0], best_[0]};
    for (int64_t column = 1; column < columns; ++column) {
      const bool earlier = best_[column] == peak.value && best_row_[column] < peak.row;
      if (best_[column] > peak.value || earlier) peak = {column, best_row_[column], best_[column]};
    }
    return peak;
  }

 private:
  void resize_columns(const float* heatmap, const std::vector<CubicTap>& x) {
    rows_.resize(height_ * x.size());
    float* out = rows_.data();
    for (int64_t row = 0; row < height_; ++row) {
      const float* source = heatmap + row * width_;
      for (const CubicTap& tap : x) {
        *out++ =
            source[tap.positions[0]] * tap.weights[0] + source[tap.positions[1]] * tap.weights[1] +
            source[tap.positions[2]] * tap.weights[2] + source[tap.positions[3]] * tap.weights[3];
      }
    }
  }

  void take_row(const CubicTap& tap, int32_t row, int64_t columns) {
    const auto source = [&](int k) { return rows_.data() + tap.positions[k] * columns; };
    const float* __restrict first = source(0);
    const float* __restrict second = source(1);
    const float* __restrict third = source(2);
    const float* __restrict fourth = source(3);
    const auto [w0, w1, w2, w3] = tap.weights;
    float* __restrict best = best_.data();
    int32_t* __restrict best_row = best_row_.data();
    ops::simd::vectorised([=](auto) TORCHDET_INLINE {
      for (int64_t i = 0; i < columns; ++i) {
        const float value = first[i] * w0 + second[i] * w1 + third[i] * w2 + fourth[i] * w3;
        const bool larger = value > best[i];
        best[i] = larger ? value : best[i];
        best_row[i] = larger ? row : best_row[i];
      }
    });
  }

  int64_t height_;
  int64_t width_;
  std::vector<float> rows_;
  std::vector<float> best_;
  std::vector<int32_t> best_row_;
};

Peaks find_peaks_on_cpu(const at::Tensor& heatmaps, const at::Tensor& sizes) {
  const int64_t count = heatmaps.size(0);
  const int64_t keypoints = heatmaps.size(1);
  const int64_t height = heatmaps.size(2);
  const int64_t width = heatmaps.size(3);
  const at::Tensor maps = heatmaps.contiguous();
  const auto* map = maps.const_data_ptr<float>();
  const auto size = sizes.accessor<int64_t, 2>();
  const auto whole = at::TensorOptions().dtype(at::kLong);
  Peaks peaks{at::empty({count, keypoints}, whole), at::empty({count, keypoints}, whole),
              at::empty({count, keypoints}, maps.options())};
  auto* columns = peaks.columns.mutable_data_ptr<int64_t>();
  auto* rows = peaks.rows.mutable_data_ptr<int64_t>();
  auto* values = peaks.values.mutable_data_ptr<float>();
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    PeakFinder finder(height, width);
    for (int64_t i = begin; i < end; ++i) {
      const std::vector<CubicTap> x = cubic_taps(width, size[i][0]);
      const std::vector<CubicTap> y = cubic_taps(height, size[i][1]);
      for (int64_t k = i * keypoints; k < (i + 1) * keypoints; ++k) {
        const Peak peak = finder.find(map + k * height * width, x, y);
        columns[k] = peak.column;
        rows[k] = peak.row;
        values[k] = peak.value;
      }
    }
  });
  return peaks;
}

// Sizes are fetched once; then nothing waits for the device.
Peaks find_peaks_on_device(const at::Tensor& heatmaps, const at::Tensor& sizes) {
  const at::Tensor fetched = sizes.cpu();
  const auto size = fetched.accessor<int64_t, 2>();
  std::vector<at::Tensor> columns;
  std::vector<at::Tensor> rows;
  std::vector<at::Tensor> values;
  for (int64_t i = 0; i < heatmaps.size(0); ++i) {
    const at::Tensor resized = at::upsample_bicubic2d(
        heatmaps.narrow(0, i, 1), {size[i][1], size[i][0]}, /*align_corners=*/false);
    const auto [value, position] = at::max(resized.flatten(2).squeeze(0), /*dim=*/1);
    columns.push_back(position.remainder(size[i][0]));
    rows.push_back(position.floor_divide(size[i][0]));
    values.push_back(value);
  }
  return {at::stack(columns), at::stack(rows), at::stack(values)};
}

}  // namespace

Keypoints find_keypoints(const at::Tensor& heatmaps, const at::Tensor& boxes) {
  const at::Tensor sides = (boxes.narrow(1, 2, 2) - boxes.narrow(1, 0, 2)).clamp_min_(1);
  const at::Tensor whole_sides = at::ceil(sides);  // N x 2: width, height
  const at::Tensor sizes = whole_sides.to(at::kLong);
  const Peaks peaks = heatmaps.is_cpu() ? find_peaks_on_cpu(heatmaps, sizes)
                                        : find_peaks_on_device(heatmaps, sizes);
  const at::Tensor correction = sides / whole_sides;
  const auto in_image = [&](const at::Tensor& pixels, int64_t axis) {
    return pixels.to(at::kFloat)
        .add_(0.5)
        .mul_(correction.narrow(1, axis, 1))
        .add_(boxes.narrow(1, axis, 1));
  };
  const at::Tensor x = in_image(peaks.columns, 0);
  const at::Tensor y = in_image(peaks.rows, 1);
  return {at::stack({x, y, at::ones_like(x)}, /*dim=*/2), peaks.values};
}

at::Tensor resize_keypoints(const at::Tensor& points, const ImageSize& from, const ImageSize& to) {
  const float y_ratio = static_cast<float>(to[0]) / static_cast<float>(from[0]);
  const float x_ratio = static_cast<float>(to[1]) / static_cast<float>(from[1]);
  return points * at::tensor({x_ratio, y_ratio, 1.0f}).to(points.device());
}

}  // namespace torchdet::detection
