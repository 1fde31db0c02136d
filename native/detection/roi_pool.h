// Multi-scale RoIAlign, as torchvision's MultiScaleRoIAlign: which feature map each box is pooled
// from, and the pooling. Free functions that own nothing; gradients flow to the maps.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "config.h"
#include "network.h"
#include "types.h"

namespace torchdet::detection {

struct PoolMaps {
  std::vector<at::Tensor>
      maps;  // those named in the configuration that there are, in the backbone's order
  std::vector<double> scales;  // of each, 1 / stride
};

// Scales come from config.strides, one for each map there is, in the backbone's order: torchvision,
// which an archive has them from, keeps none for names without a map. Where that is empty, they
// come from the sizes of the maps and of the padded images, rounded to a power of two. (torchvision
// takes the first unpadded images it ever sees; for its own models the values are equal.)
PoolMaps select_pool_maps(const FeatureMaps& features, const RoiPoolConfig& config,
                          const ImageSize& batch_size);

// Index of the pyramid level of each box (N x 4), counted from the first map's: int64, N. It may
// lie beyond the last map where strides are not consecutive powers of two.
at::Tensor assign_levels(const at::Tensor& boxes, const std::vector<double>& scales,
                         const RoiPoolConfig& config);

// Map of each level of assign_levels, where strides may leave levels out: the map of the next finer
// stride there is, and the first of maps with one stride.
at::Tensor nearest_maps(const at::Tensor& levels, const std::vector<double>& scales);

// One N_i x 4 tensor of boxes per image to RoIs: (sum of N_i) x 5, the image's index before the
// box.
at::Tensor join_boxes(const std::vector<at::Tensor>& boxes);

// One N_i x 4 tensor of boxes per image to (sum of N_i) x C x h x w, image by image. Where strides
// leave a level out, config.missing_levels decides: nearest_maps, or as torchvision, which takes
// the level for the map's index and gives zeros beyond the last map.
at::Tensor pool_rois(const PoolMaps& maps, const std::vector<at::Tensor>& boxes,
                     const RoiPoolConfig& config);

}  // namespace torchdet::detection
