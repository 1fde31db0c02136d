// Selection of FCOS in its two forms, torchvision's and that of the original repository
// (tianzhi0549/FCOS), and the latter's points. Free functions own nothing; a generator keeps the
// grids it made last, so use it from one thread at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "config.h"
#include "dense_selection.h"
#include "grid_cache.h"
#include "types.h"

namespace torchdet::detection {

// One point per cell, at its place in the grid times the stride plus half the stride rounded down.
class PointGenerator {
 public:
  explicit PointGenerator(std::vector<double> strides);

  size_t levels() const { return strides_.size(); }
  int64_t anchors_per_location(size_t) const { return 1; }

  // (sum over levels of H*W) x 3 float32: x, y and the stride of the level, level by level, row by
  // row. Shared with the cache: do not write to it.
  at::Tensor grid_anchors(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                          c10::Device device);

 private:
  at::Tensor make_points(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                         c10::Device device) const;

  std::vector<double> strides_;
  GridCache cache_;
};

// Score sqrt(sigmoid(class) * sigmoid(centerness)), boxes from the anchors' centres in units of the
// anchors' sides, labels from 0.
LevelRule fcos_rule(const DenseConfig& config);

std::vector<Detections> select_fcos(const DenseOutputs& outputs, const DensePlaces& anchors,
                                    const std::vector<ImageSize>& image_sizes,
                                    const DenseConfig& config);

// The same score, but the threshold is for sigmoid(class) alone; boxes from the points (of
// PointGenerator) in units of the stride, labels from 1. The original repository clips boxes to the
// last pixel's corner, size - 1; here they are clipped to the image's edge as in torchvision.
LevelRule fcos_original_rule(const DenseConfig& config);

std::vector<Detections> select_fcos_original(const DenseOutputs& outputs, const DensePlaces& points,
                                             const std::vector<ImageSize>& image_sizes,
                                             const DenseConfig& config);

}  // namespace torchdet::detection
