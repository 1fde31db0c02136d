#include "anchors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <cmath>

namespace torchdet::detection {
namespace {

at::Tensor level_anchors(const at::Tensor& cells, const ImageSize& grid, const ImageSize& stride,
                         const at::TensorOptions& options) {
  const at::Tensor y =
      at::arange(grid[0], options).mul_(stride[0]).unsqueeze(1).expand({grid[0], grid[1]});
  const at::Tensor x = at::arange(grid[1], options).mul_(stride[1]).expand({grid[0], grid[1]});
  const at::Tensor corners = at::stack({x, y, x, y}, /*dim=*/2);
  return corners.view({-1, 1, 4}).add(cells.to(options.device())).view({-1, 4});
}

}  // namespace

at::Tensor cell_anchors(const std::vector<double>& sizes,
                        const std::vector<double>& aspect_ratios) {
  const auto count = static_cast<int64_t>(sizes.size() * aspect_ratios.size());
  at::Tensor cells = at::empty({count, 4}, at::TensorOptions().dtype(at::kFloat));
  float* out = cells.mutable_data_ptr<float>();
  for (const double ratio : aspect_ratios) {
    const float height_factor = std::sqrt(static_cast<float>(ratio));
    const float width_factor = 1.0f / height_factor;
    for (const double size : sizes) {
      // nearbyint rounds half to even, as torch.round does.
      const float half_width = std::nearbyint(width_factor * static_cast<float>(size) / 2.0f);
      const float half_height = std::nearbyint(height_factor * static_cast<float>(size) / 2.0f);
      *out++ = -half_width;
      *out++ = -half_height;
      *out++ = half_width;
      *out++ = half_height;
    }
  }
  return cells;
}

AnchorGenerator::AnchorGenerator(const AnchorConfig& config) {
  TORCH_CHECK(!config.sizes.empty() && config.sizes.size() == config.aspect_ratios.size(),
              "anchors have sizes for ", config.sizes.size(), " levels and aspect ratios for ",
              config.aspect_ratios.size(), "; wanted is the same number, at least 1");
  const c10::InferenceMode ordinary_tensors(false);
  for (size_t level = 0; level < config.sizes.size(); ++level) {
    cells_.push_back(cell_anchors(config.sizes[level], config.aspect_ratios[level]));
  }
}

at::Tensor AnchorGenerator::grid_anchors(const std::vector<ImageSize>& grid_sizes,
                                         const ImageSize& batch_size, c10::Device device) {
  return cache_.get(grid_sizes, batch_size, device,
                    [&] { return make_anchors(grid_sizes, batch_size, device); });
}

at::Tensor AnchorGenerator::make_anchors(const std::vector<ImageSize>& grid_sizes,
                                         const ImageSize& batch_size, c10::Device device) const {
  check_grid(grid_sizes, levels(), batch_size);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  std::vector<at::Tensor> anchors;
  for (size_t level = 0; level < levels(); ++level) {
    const ImageSize& grid = grid_sizes[level];
    const ImageSize stride = {batch_size[0] / grid[0], batch_size[1] / grid[1]};
    anchors.push_back(level_anchors(cells_[level], grid, stride, options));
  }
  return at::cat(anchors);
}

}  // namespace torchdet::detection
