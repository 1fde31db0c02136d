// SSD's default boxes of all feature levels, as torchvision's DefaultBoxGenerator. Use a generator
// from one thread at a time: it keeps the grids it made last.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "config.h"
#include "grid_cache.h"
#include "types.h"

namespace torchdet::detection {

// Widths and heights (P x 2 float32, as shares of the image) of one cell: the square of `scale`,
// that of the geometric mean of `scale` and `next_scale`, and two boxes for each aspect ratio.
at::Tensor default_box_sizes(double scale, double next_scale,
                             const std::vector<double>& aspect_ratios);

class DefaultBoxGenerator {
 public:
  explicit DefaultBoxGenerator(const DefaultBoxConfig& config);

  size_t levels() const { return sizes_.size(); }
  int64_t anchors_per_location(size_t level) const { return sizes_[level].size(0); }

  // The boxes of one image of the batch, (sum over levels of H*W*P) x 4 float32 xyxy in pixels:
  // level by level, row by row, cell by cell. Shared with the cache: do not write to it.
  at::Tensor grid_anchors(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                          c10::Device device);

 private:
  at::Tensor make_boxes(const std::vector<ImageSize>& grid_sizes,
                        const ImageSize& batch_size) const;
  // cx, cy, width, height as shares of the image.
  at::Tensor level_boxes(size_t level, const ImageSize& grid, const ImageSize& batch_size) const;

  std::optional<std::vector<double>> steps_;
  std::vector<at::Tensor> sizes_;  // per level
  GridCache cache_;
};

}  // namespace torchdet::detection
