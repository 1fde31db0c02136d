// Registers the pieces of the detection code as operators of the namespace torchdet, when the
// library that holds this file is loaded, so that they can be called by name one by one: from
// JavaScript and from scripts. They are made of ATen operations and torchvision's operators.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <optional>
#include <string_view>
#include <vector>

#include "../ops/operators.h"
#include "anchors.h"
#include "box_coder.h"
#include "box_iou.h"
#include "default_boxes.h"
#include "matcher.h"
#include "roi_pool.h"
#include "sampler.h"

namespace torchdet::detection {
namespace {

at::Tensor convert_named(const at::Tensor& boxes, std::string_view from, std::string_view to) {
  return convert_boxes(boxes, box_format(from), box_format(to));
}

at::Tensor clip_to(const at::Tensor& boxes, int64_t height, int64_t width) {
  return clip_boxes(boxes, {height, width});
}

at::Tensor large_indices(const at::Tensor& boxes, double min_side) {
  return at::nonzero(large_enough(boxes, min_side)).squeeze(1);
}

at::Tensor cells_of(std::vector<double> sizes, std::vector<double> aspect_ratios) {
  return cell_anchors(sizes, aspect_ratios);
}

std::vector<ImageSize> grids_of(const std::vector<int64_t>& heights,
                                const std::vector<int64_t>& widths) {
  TORCH_CHECK(heights.size() == widths.size(), "got ", heights.size(), " grid heights and ",
              widths.size(), " grid widths");
  std::vector<ImageSize> grids;
  for (size_t level = 0; level < heights.size(); ++level)
    grids.push_back({heights[level], widths[level]});
  return grids;
}

at::Tensor anchors_of(std::vector<std::vector<double>> sizes,
                      std::vector<std::vector<double>> aspect_ratios,
                      std::vector<int64_t> grid_heights, std::vector<int64_t> grid_widths,
                      int64_t height, int64_t width) {
  return AnchorGenerator({std::move(sizes), std::move(aspect_ratios)})
      .grid_anchors(grids_of(grid_heights, grid_widths), {height, width}, at::kCPU);
}

at::Tensor default_boxes_of(std::vector<std::vector<double>> aspect_ratios,
                            std::vector<double> scales, std::optional<std::vector<double>> steps,
                            bool clip, std::vector<int64_t> grid_heights,
                            std::vector<int64_t> grid_widths, int64_t height, int64_t width) {
  return DefaultBoxGenerator({std::move(aspect_ratios), std::move(scales), std::move(steps), clip})
      .grid_anchors(grids_of(grid_heights, grid_widths), {height, width}, at::kCPU);
}

BoxCoder coder_of(const std::vector<double>& weights) {
  TORCH_CHECK(weights.size() == 4, "a box coder has 4 weights, got ", weights.size());
  return BoxCoder({weights[0], weights[1], weights[2], weights[3]});
}

at::Tensor encode(const at::Tensor& targets, const at::Tensor& boxes, std::vector<double> weights) {
  return coder_of(weights).encode(targets, boxes);
}

at::Tensor decode(const at::Tensor& deltas, const at::Tensor& boxes, std::vector<double> weights) {
  return coder_of(weights).decode(deltas, boxes);
}

std::vector<double> scales_of(const std::vector<double>& strides) {
  std::vector<double> scales;
  for (const double stride : strides) scales.push_back(1 / stride);
  return scales;
}

at::Tensor levels_of(const at::Tensor& boxes, std::vector<double> strides, double canonical_scale,
                     double canonical_level) {
  RoiPoolConfig config;
  config.canonical_scale = canonical_scale;
  config.canonical_level = canonical_level;
  return assign_levels(boxes, scales_of(strides), config);
}

at::Tensor rois_of(std::vector<at::Tensor> boxes) { return join_boxes(boxes); }

at::Tensor pool(std::vector<at::Tensor> maps, std::vector<at::Tensor> boxes,
                std::vector<double> strides, int64_t pooled_height, int64_t pooled_width,
                int64_t sampling_ratio, double canonical_scale, double canonical_level,
                bool nearest_levels) {
  RoiPoolConfig config;
  config.output_size = {pooled_height, pooled_width};
  config.sampling_ratio = sampling_ratio;
  config.canonical_scale = canonical_scale;
  config.canonical_level = canonical_level;
  config.missing_levels = nearest_levels ? MissingLevels::kNearest : MissingLevels::kZeros;
  return pool_rois({std::move(maps), scales_of(strides)}, boxes, config);
}

at::Tensor deform(const at::Tensor& input, const at::Tensor& offset, const at::Tensor& weight,
                  const std::optional<at::Tensor>& bias, const std::optional<at::Tensor>& mask,
                  std::vector<int64_t> stride, std::vector<int64_t> padding,
                  std::vector<int64_t> dilation, int64_t groups, int64_t offset_groups) {
  TORCH_CHECK(stride.size() == 2 && padding.size() == 2 && dilation.size() == 2,
              "stride, padding and dilation have two numbers each");
  const at::Tensor biases = bias ? *bias : at::zeros({weight.size(0)}, weight.options());
  const at::Tensor factors = mask ? *mask : at::zeros({input.size(0), 1}, input.options());
  return ops::deform_conv2d(input, weight, offset, factors, biases, stride[0], stride[1],
                            padding[0], padding[1], dilation[0], dilation[1], groups, offset_groups,
                            mask.has_value());
}

LowQuality restore(bool allow_low_quality_matches) {
  return allow_low_quality_matches ? LowQuality::kRestoreTies : LowQuality::kIgnore;
}

at::Tensor match_by_boxes(const at::Tensor& ground_truth, const at::Tensor& anchors,
                          double high_threshold, double low_threshold,
                          bool allow_low_quality_matches) {
  return match_boxes(ground_truth, anchors,
                     {high_threshold, low_threshold, restore(allow_low_quality_matches)});
}

at::Tensor match_by_quality(const at::Tensor& quality, double high_threshold, double low_threshold,
                            bool allow_low_quality_matches) {
  return match_quality(quality,
                       {high_threshold, low_threshold, restore(allow_low_quality_matches)});
}

at::Tensor match_default_boxes(const at::Tensor& ground_truth, const at::Tensor& default_boxes,
                               double threshold) {
  return match_boxes(ground_truth, default_boxes, {threshold, threshold, LowQuality::kForceBest});
}

at::Tensor match_default_quality(const at::Tensor& quality, double threshold) {
  return match_quality(quality, {threshold, threshold, LowQuality::kForceBest});
}

// Positive and negative indices of each image. One generator for all, as one seeded call of
// torchvision's sampler has.
std::vector<std::vector<at::Tensor>> sample_images(std::vector<at::Tensor> labels,
                                                   int64_t batch_size, double positive_fraction,
                                                   int64_t seed) {
  const at::Generator generator =
      at::make_generator<at::CPUGeneratorImpl>(static_cast<uint64_t>(seed));
  std::vector<std::vector<at::Tensor>> samples;
  for (const at::Tensor& image : labels) {
    Sample sample = sample_balanced(image, {batch_size, positive_fraction}, generator);
    samples.push_back({std::move(sample.positive), std::move(sample.negative)});
  }
  return samples;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  m.def("box_area(Tensor boxes) -> Tensor", TORCH_FN(box_area));
  m.def("box_iou(Tensor boxes1, Tensor boxes2) -> Tensor", TORCH_FN(box_iou));
  m.def("generalized_box_iou(Tensor boxes1, Tensor boxes2) -> Tensor",
        TORCH_FN(generalized_box_iou));
  m.def("generalized_box_iou_loss(Tensor boxes1, Tensor boxes2, float eps=1e-7) -> Tensor",
        TORCH_FN(generalized_box_iou_loss));
  m.def("box_convert(Tensor boxes, str from_format, str to_format) -> Tensor",
        TORCH_FN(convert_named));
  m.def("clip_boxes(Tensor boxes, int height, int width) -> Tensor", TORCH_FN(clip_to));
  m.def("large_boxes(Tensor boxes, float min_side) -> Tensor", TORCH_FN(large_indices));
  m.def("cell_anchors(float[] sizes, float[] aspect_ratios) -> Tensor", TORCH_FN(cells_of));
  m.def(
      "grid_anchors(float[][] sizes, float[][] aspect_ratios, int[] grid_heights, int[] "
      "grid_widths, int height, int width) -> Tensor",
      TORCH_FN(anchors_of));
  m.def(
      "default_boxes(float[][] aspect_ratios, float[] scales, float[]? steps, bool clip, int[] "
      "grid_heights, int[] grid_widths, int height, int width) -> Tensor",
      TORCH_FN(default_boxes_of));
  m.def("encode_boxes(Tensor targets, Tensor boxes, float[] weights) -> Tensor", TORCH_FN(encode));
  m.def("decode_boxes(Tensor deltas, Tensor boxes, float[] weights) -> Tensor", TORCH_FN(decode));
  m.def(
      "assign_levels(Tensor boxes, float[] strides, float canonical_scale, float canonical_level) "
      "-> Tensor",
      TORCH_FN(levels_of));
  m.def(
      "deform_conv2d(Tensor input, Tensor offset, Tensor weight, Tensor? bias, Tensor? mask, int[] "
      "stride, int[] padding, int[] dilation, int groups, int offset_groups) -> Tensor",
      TORCH_FN(deform));
  m.def("join_boxes(Tensor[] boxes) -> Tensor", TORCH_FN(rois_of));
  m.def(
      "pool_rois(Tensor[] maps, Tensor[] boxes, float[] strides, int pooled_height, int "
      "pooled_width, int sampling_ratio, float canonical_scale, float canonical_level, bool "
      "nearest_levels) -> Tensor",
      TORCH_FN(pool));
  m.def(
      "match_boxes(Tensor ground_truth, Tensor anchors, float high_threshold, float "
      "low_threshold, bool allow_low_quality_matches) -> Tensor",
      TORCH_FN(match_by_boxes));
  m.def(
      "match_quality(Tensor quality, float high_threshold, float low_threshold, bool "
      "allow_low_quality_matches) -> Tensor",
      TORCH_FN(match_by_quality));
  m.def("match_default_boxes(Tensor ground_truth, Tensor default_boxes, float threshold) -> Tensor",
        TORCH_FN(match_default_boxes));
  m.def("match_default_quality(Tensor quality, float threshold) -> Tensor",
        TORCH_FN(match_default_quality));
  m.def(
      "sample_balanced(Tensor[] labels, int batch_size, float positive_fraction, int seed) -> "
      "Tensor[][]",
      TORCH_FN(sample_images));
}

}  // namespace torchdet::detection
