// What a detector is told apart from its network: plain values, copied freely. The fields are those
// of RcnnConfig and DenseConfig in binding.d.ts; torchvision's defaults are set
// in lib/models, never here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace torchdet::detection {

enum class ChannelOrder { kRgb, kBgr };

struct TransformConfig {
  std::vector<int64_t> min_size;
  int64_t max_size = 0;
  std::vector<double> image_mean;
  std::vector<double> image_std;
  int64_t size_divisible = 32;
  std::optional<std::array<int64_t, 2>> fixed_size;  // width, height
  ChannelOrder channel_order = ChannelOrder::kRgb;   // of the batch, mean and std
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

// What a RoI gets whose pyramid level has no map.
enum class MissingLevels { kNearest, kZeros };

struct RoiPoolConfig {
  std::vector<std::string> featmap_names;
  std::vector<double> strides;         // empty: derived from the maps' sizes
  std::array<int64_t, 2> output_size;  // height, width
  int64_t sampling_ratio = 2;
  double canonical_scale = 224;
  double canonical_level = 4;
  MissingLevels missing_levels = MissingLevels::kZeros;
};

struct RoiHeadsConfig {
  RoiPoolConfig box_roi_pool;
  std::optional<RoiPoolConfig> mask_roi_pool;      // there is a mask branch
  std::optional<RoiPoolConfig> keypoint_roi_pool;  // there is a keypoint branch
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

struct DefaultBoxConfig {
  std::vector<std::vector<double>> aspect_ratios;  // per level
  std::vector<double> scales;                      // one more than levels
  std::optional<std::vector<double>> steps;        // null: derived from the maps' sizes
  bool clip = true;
};

enum class DenseHead { kRetinaNet, kFcos, kFcosOriginal, kSsd };
enum class BoxLoss { kL1, kGiou };

struct DenseTrainingConfig {
  double fg_iou_thresh = 0;
  double bg_iou_thresh = 0;
  BoxLoss box_loss = BoxLoss::kL1;
  double center_sampling_radius = 0;
  double positive_fraction = 0;
};

struct DenseConfig {
  DenseHead head = DenseHead::kRetinaNet;
  TransformConfig transform;
  std::optional<AnchorConfig> anchors;               // RetinaNet, FCOS
  std::optional<std::vector<double>> point_strides;  // the original FCOS
  std::optional<DefaultBoxConfig> default_boxes;     // SSD
  std::array<double, 4> bbox_reg_weights = {1, 1, 1, 1};
  double score_thresh = 0;
  double nms_thresh = 0;
  int64_t detections_per_img = 0;
  int64_t topk_candidates = 0;  // per level; SSD: per class
  DenseTrainingConfig training;
};

using DetectionConfig = std::variant<RcnnConfig, DenseConfig>;

}  // namespace torchdet::detection
