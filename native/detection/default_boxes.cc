#include "default_boxes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <cmath>

namespace torchdet::detection {
namespace {

// Centres of `cells` cells along one axis, as shares of the image: rounded to float32 before the
// division, as torchvision's are.
at::Tensor centres(int64_t cells, double cells_of_image) {
  return at::arange(cells, at::kLong).add(0.5).div(cells_of_image);
}

}  // namespace

at::Tensor default_box_sizes(double scale, double next_scale,
                             const std::vector<double>& aspect_ratios) {
  const double between = std::sqrt(scale * next_scale);
  std::vector<double> sizes = {scale, scale, between, between};
  for (const double ratio : aspect_ratios) {
    const double root = std::sqrt(ratio);
    const double longer = scale * root;
    const double shorter = scale / root;
    sizes.insert(sizes.end(), {longer, shorter, shorter, longer});
  }
  return at::tensor(sizes, at::kDouble).to(at::kFloat).view({-1, 2});
}

DefaultBoxGenerator::DefaultBoxGenerator(const DefaultBoxConfig& config) : steps_(config.steps) {
  const size_t levels = config.aspect_ratios.size();
  TORCH_CHECK(levels > 0 && config.scales.size() == levels + 1,
              "default boxes have aspect ratios "
              "for ",
              levels, " levels and ", config.scales.size(),
              " scales; wanted is one scale more than levels, and at least 1 level");
  TORCH_CHECK(!steps_ || steps_->size() == levels, "default boxes have aspect ratios for ", levels,
              " levels and ", steps_ ? steps_->size() : 0, " steps; wanted is the same number");
  const c10::InferenceMode ordinary_tensors(false);
  for (size_t level = 0; level < levels; ++level) {
    at::Tensor sizes = default_box_sizes(config.scales[level], config.scales[level + 1],
                                         config.aspect_ratios[level]);
    sizes_.push_back(config.clip ? sizes.clamp(0, 1) : sizes);
  }
}

at::Tensor DefaultBoxGenerator::grid_anchors(const std::vector<ImageSize>& grid_sizes,
                                             const ImageSize& batch_size, c10::Device device) {
  return cache_.get(grid_sizes, batch_size, device,
                    [&] { return make_boxes(grid_sizes, batch_size).to(device); });
}

at::Tensor DefaultBoxGenerator::make_boxes(const std::vector<ImageSize>& grid_sizes,
                                           const ImageSize& batch_size) const {
  check_grid(grid_sizes, levels(), batch_size);
  std::vector<at::Tensor> boxes;
  for (size_t level = 0; level < levels(); ++level) {
    boxes.push_back(level_boxes(level, grid_sizes[level], batch_size));
  }
  const at::Tensor all = at::cat(boxes);
  const at::Tensor pixels =
      at::tensor({static_cast<float>(batch_size[1]), static_cast<float>(batch_size[0])});
  const at::Tensor centre = all.narrow(1, 0, 2);
  const at::Tensor half = 0.5 * all.narrow(1, 2, 2);
  return at::cat({(centre - half) * pixels, (centre + half) * pixels}, /*dim=*/1);
}

at::Tensor DefaultBoxGenerator::level_boxes(size_t level, const ImageSize& grid,
                                            const ImageSize& batch_size) const {
  std::array<double, 2> cells = {static_cast<double>(grid[0]), static_cast<double>(grid[1])};
  if (steps_) {
    for (size_t axis = 0; axis < 2; ++axis) {
      cells[axis] = static_cast<double>(batch_size[axis]) / (*steps_)[level];
    }
  }
  const at::Tensor& sizes = sizes_[level];
  const std::vector<int64_t> shape = {grid[0], grid[1], sizes.size(0), 2};
  const at::Tensor y = centres(grid[0], cells[0]).view({-1, 1}).expand({grid[0], grid[1]});
  const at::Tensor x = centres(grid[1], cells[1]).expand({grid[0], grid[1]});
  const at::Tensor centre = at::stack({x, y}, /*dim=*/2).unsqueeze(2).expand(shape);
  return at::cat({centre, sizes.expand(shape)}, /*dim=*/3).view({-1, 4});
}

}  // namespace torchdet::detection
