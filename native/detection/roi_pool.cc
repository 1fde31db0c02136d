#include "roi_pool.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/log2.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

#include "../ops/operators.h"

namespace torchdet::detection {
namespace {

// Nearest power of two to the ratio of heights.
double infer_scale(const at::Tensor& map, const ImageSize& batch_size) {
  const double ratio = static_cast<double>(map.size(2)) / static_cast<double>(batch_size[0]);
  return std::exp2(std::nearbyint(std::log2(static_cast<float>(ratio))));
}

std::string quoted_names(const FeatureMaps& features) {
  std::string names;
  for (const auto& feature : features) names += (names.empty() ? "'" : ", '") + feature.first + "'";
  return names;
}

int64_t pyramid_level(double scale) {
  return static_cast<int64_t>(-std::log2(static_cast<float>(scale)));
}

// Each stride twice the one before: levels and maps have the same index.
bool consecutive(const std::vector<double>& scales) {
  for (size_t i = 1; i < scales.size(); ++i) {
    if (pyramid_level(scales[i]) != pyramid_level(scales[i - 1]) + 1) return false;
  }
  return true;
}

}  // namespace

at::Tensor join_boxes(const std::vector<at::Tensor>& boxes) {
  std::vector<at::Tensor> images;
  for (size_t image = 0; image < boxes.size(); ++image) {
    images.push_back(
        at::full({boxes[image].size(0), 1}, static_cast<double>(image), boxes[image].options()));
  }
  return at::cat({at::cat(images), at::cat(boxes)}, /*dim=*/1);
}

PoolMaps select_pool_maps(const FeatureMaps& features, const RoiPoolConfig& config,
                          const ImageSize& batch_size) {
  const auto& names = config.featmap_names;
  PoolMaps selected;
  for (const auto& [name, map] : features) {
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    selected.maps.push_back(map);
    if (config.strides.empty()) selected.scales.push_back(infer_scale(map, batch_size));
  }
  TORCH_CHECK(!selected.maps.empty(), "RoI pooling finds none of its ", names.size(),
              " feature maps among the ", features.size(),
              " of the backbone: ", quoted_names(features));
  if (config.strides.empty()) return selected;
  TORCH_CHECK(config.strides.size() == selected.maps.size(), "RoI pooling has ",
              config.strides.size(), " strides for ", selected.maps.size(), " feature maps");
  for (const double stride : config.strides) selected.scales.push_back(1 / stride);
  return selected;
}

at::Tensor assign_levels(const at::Tensor& boxes, const std::vector<double>& scales,
                         const RoiPoolConfig& config) {
  const at::Tensor sides = boxes.narrow(1, 2, 2) - boxes.narrow(1, 0, 2);
  const at::Tensor size = at::sqrt(sides.select(1, 0) * sides.select(1, 1));
  const at::Tensor level =
      at::floor(at::log2(size / config.canonical_scale).add_(config.canonical_level).add_(1e-6));
  const int64_t first = pyramid_level(scales.front());
  return level.clamp(first, pyramid_level(scales.back())).to(at::kLong).sub_(first);
}

at::Tensor nearest_maps(const at::Tensor& levels, const std::vector<double>& scales) {
  const int64_t first = pyramid_level(scales.front());
  at::Tensor maps = at::zeros_like(levels);
  int64_t finest = 0;
  for (size_t i = 1; i < scales.size(); ++i) {
    const int64_t level = pyramid_level(scales[i]) - first;
    if (level <= finest) continue;
    maps.masked_fill_(levels.ge(level), static_cast<int64_t>(i));
    finest = level;
  }
  return maps;
}

at::Tensor pool_rois(const PoolMaps& maps, const std::vector<at::Tensor>& boxes,
                     const RoiPoolConfig& config) {
  const auto [height, width] = config.output_size;
  const at::Tensor rois = join_boxes(boxes);
  if (maps.maps.size() == 1) {
    return ops::roi_align(maps.maps[0], rois, maps.scales[0], height, width, config.sampling_ratio,
                          /*aligned=*/false);
  }
  at::Tensor levels = assign_levels(rois.narrow(1, 1, 4), maps.scales, config);
  if (config.missing_levels == MissingLevels::kNearest && !consecutive(maps.scales)) {
    levels = nearest_maps(levels, maps.scales);
  }
  const auto last_map = static_cast<int64_t>(maps.maps.size()) - 1;
  const at::Tensor pooled =
      ops::multiscale_roi_align(maps.maps, rois, levels.clamp_max(last_map), maps.scales, height,
                                width, config.sampling_ratio);
  if (config.missing_levels == MissingLevels::kNearest ||
      pyramid_level(maps.scales.back()) - pyramid_level(maps.scales.front()) <= last_map) {
    return pooled;
  }
  return pooled.masked_fill(levels.gt(last_map).view({-1, 1, 1, 1}), 0);
}

}  // namespace torchdet::detection
