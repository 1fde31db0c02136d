#include "fcos.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <c10/util/Exception.h>

#include <cmath>

#include "box_coder.h"

namespace torchdet::detection {
namespace {

at::Tensor level_points(const ImageSize& grid, double stride, const at::TensorOptions& options) {
  const double half = std::floor(stride / 2);
  const at::Tensor y = at::arange(grid[0], options).mul_(stride).add_(half);
  const at::Tensor x = at::arange(grid[1], options).mul_(stride).add_(half);
  return at::stack({x.expand({grid[0], grid[1]}), y.unsqueeze(1).expand({grid[0], grid[1]}),
                    at::full({grid[0], grid[1]}, stride, options)},
                   /*dim=*/2)
      .view({-1, 3});
}

at::Tensor class_times_centerness(const at::Tensor& probabilities, const at::Tensor& ctrness) {
  return (probabilities * at::sigmoid(ctrness)).sqrt_();
}

}  // namespace

PointGenerator::PointGenerator(std::vector<double> strides) : strides_(std::move(strides)) {
  TORCH_CHECK(!strides_.empty(), "points need the stride of at least 1 level");
}

at::Tensor PointGenerator::grid_anchors(const std::vector<ImageSize>& grid_sizes,
                                        const ImageSize& batch_size, c10::Device device) {
  return cache_.get(grid_sizes, batch_size, device,
                    [&] { return make_points(grid_sizes, batch_size, device); });
}

at::Tensor PointGenerator::make_points(const std::vector<ImageSize>& grid_sizes,
                                       const ImageSize& batch_size, c10::Device device) const {
  check_grid(grid_sizes, levels(), batch_size);
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  std::vector<at::Tensor> points;
  for (size_t level = 0; level < levels(); ++level) {
    points.push_back(level_points(grid_sizes[level], strides_[level], options));
  }
  return at::cat(points);
}

LevelRule fcos_rule(const DenseConfig& config) {
  LevelRule rule;
  // The product is at most the class probability, and its root is what must pass.
  const double least = std::max(config.score_thresh, 0.0);
  rule.least_probability = least * least;
  rule.score = [](const at::Tensor& probabilities, const at::Tensor& ctrness) {
    const at::Tensor scores = class_times_centerness(probabilities, ctrness);
    return LevelScores{scores, scores};
  };
  rule.decode = [](const at::Tensor& deltas, const at::Tensor& references) {
    return decode_linear(deltas, references);
  };
  return rule;
}

std::vector<Detections> select_fcos(const DenseOutputs& outputs, const DensePlaces& anchors,
                                    const std::vector<ImageSize>& image_sizes,
                                    const DenseConfig& config) {
  return select_by_level(outputs, anchors, image_sizes, config, fcos_rule(config));
}

LevelRule fcos_original_rule(const DenseConfig& config) {
  LevelRule rule;
  rule.least_probability = config.score_thresh;
  rule.score = [](const at::Tensor& probabilities, const at::Tensor& ctrness) {
    return LevelScores{class_times_centerness(probabilities, ctrness), probabilities};
  };
  rule.decode = [](const at::Tensor& deltas, const at::Tensor& references) {
    const at::Tensor point = references.narrow(1, 0, 2);
    const at::Tensor sides = deltas * references.narrow(1, 2, 1);
    return at::cat({point - sides.narrow(1, 0, 2), point + sides.narrow(1, 2, 2)}, /*dim=*/1);
  };
  rule.first_label = 1;
  return rule;
}

std::vector<Detections> select_fcos_original(const DenseOutputs& outputs, const DensePlaces& points,
                                             const std::vector<ImageSize>& image_sizes,
                                             const DenseConfig& config) {
  return select_by_level(outputs, points, image_sizes, config, fcos_original_rule(config));
}

}  // namespace torchdet::detection
