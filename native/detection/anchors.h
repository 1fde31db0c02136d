// Anchors of all feature levels, as torchvision's AnchorGenerator. Use a generator from one thread
// at a time: it keeps the grids it made last.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "config.h"
#include "grid_cache.h"
#include "types.h"

namespace torchdet::detection {

// Anchors of one cell, centred on 0: A x 4, aspect ratio by aspect ratio and within that size by
// size, rounded half to even. `sizes` are side lengths in pixels, `aspect_ratios` height / width.
at::Tensor cell_anchors(const std::vector<double>& sizes, const std::vector<double>& aspect_ratios);

class AnchorGenerator {
 public:
  explicit AnchorGenerator(const AnchorConfig& config);

  size_t levels() const { return cells_.size(); }
  int64_t anchors_per_location(size_t level) const { return cells_[level].size(0); }

  // The anchors of one image of the batch, (sum over levels of H*W*A) x 4 float32 xyxy: level by
  // level, row by row, cell by cell. `grid_sizes` are the sizes of the feature maps, `batch_size`
  // that of the padded images. Shared with the cache: do not write to it.
  at::Tensor grid_anchors(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                          c10::Device device);

 private:
  at::Tensor make_anchors(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                          c10::Device device) const;

  std::vector<at::Tensor> cells_;  // per level
  GridCache cache_;
};

}  // namespace torchdet::detection
