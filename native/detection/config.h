// What a detector of torchvision's R-CNN structure is told apart from its network: plain values,
// copied freely. The fields are those of RcnnConfig in binding.d.ts; torchvision's defaults are set
// in lib/models, never here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace torchdet::detection {

struct TransformConfig {
  std::vector<int64_t> min_size;
  int64_t max_size = 0;
  std::vector<double> image_mean;
  std::vector<double> image_std;
  int64_t size_divisible = 32;
  std::optional<std::array<int64_t, 2>> fixed_size;  // width, height
};

struct AnchorConfig {
  std::vector<std::vector<double>> sizes;  // per level
  std::vector<std::vector<double>> aspect_ratios;
};

struct RpnConfig {
  int64_t pre_nms_top_n_train = 0;
  int64_t pre_nms_top_n_test = 0;
  int64_t post_nms_top_n_train = 0;
  int64_t post_nms_top_n_test = 0;
  double nms_thresh = 0;
  double score_thresh = 0;
  double fg_iou_thresh = 0;
  double bg_iou_thresh = 0;
  int64_t batch_size_per_image = 0;
  double positive_fraction = 0;
};

struct RoiPoolConfig {
  std::vector<std::string> featmap_names;
  std::vector<double> strides;         // empty: derived from the maps' sizes
  std::array<int64_t, 2> output_size;  // height, width
  int64_t sampling_ratio = 2;
  double canonical_scale = 224;
  double canonical_level = 4;
};

struct RoiHeadsConfig {
  RoiPoolConfig box_roi_pool;
  double score_thresh = 0;
  double nms_thresh = 0;
  int64_t detections_per_img = 0;
  std::array<double, 4> bbox_reg_weights;
  double fg_iou_thresh = 0;
  double bg_iou_thresh = 0;
  int64_t batch_size_per_image = 0;
  double positive_fraction = 0;
};

struct RcnnConfig {
  TransformConfig transform;
  AnchorConfig anchors;
  RpnConfig rpn;
  RoiHeadsConfig roi_heads;
};

}  // namespace torchdet::detection
