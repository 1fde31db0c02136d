// GeneralizedRcnn in training: beside its inference, which is in generalized_rcnn.cc.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <optional>
#include <utility>

#include "checks.h"
#include "generalized_rcnn.h"
#include "roi_branch_losses.h"
#include "roi_losses.h"
#include "roi_pool.h"
#include "rpn.h"
#include "rpn_losses.h"
#include "rpn_places.h"
#include "serial_scope.h"
#include "stage_parts.h"
#include "training_batch.h"

namespace torchdet::detection {
namespace {

constexpr double kRounding = 1e-3;

// Mixed precision ends at the heads: losses and boxes are float32.
at::Tensor in_float(const at::Tensor& tensor) { return tensor.to(at::kFloat); }

// But for rounding. A head with torchvision's names may compute something else than torchvision's.
bool agree(const AnchorOutputs& few, const AnchorOutputs& all) {
  const auto close = [](const at::Tensor& one, const at::Tensor& other) {
    const double largest = other.abs().max().item<double>();
    return (one - other).abs().max().item<double>() <= kRounding * largest;
  };
  const at::NoGradGuard no_gradients;
  return close(few.objectness, all.objectness) && close(few.deltas, all.deltas);
}

// The head over whole maps in one memory order.
FlatHeads run_head(RcnnNetwork& network, const std::vector<at::Tensor>& maps) {
  const auto [objectness, deltas] = network.rpn_head(maps);
  FlatHeads flat = flatten_heads(objectness, deltas);
  flat.objectness = in_float(flat.objectness);
  flat.deltas = in_float(flat.deltas);
  return flat;
}

AnchorOutputs pick(const FlatHeads& heads, const at::Tensor& rows) {
  return {heads.objectness.flatten().index_select(0, rows), heads.deltas.index_select(0, rows)};
}

}  // namespace

Losses GeneralizedRcnn::losses(RcnnNetwork& network, const std::vector<ImageView>& images,
                               const std::vector<Target>& given, TrainingContext& context) {
  const RoiHeadsConfig& heads = config_.roi_heads;
  TrainingBatch batch;
  {
    const at::NoGradGuard no_gradients;
    batch = make_training_batch(
        images, given, {heads.mask_roi_pool.has_value(), heads.keypoint_roi_pool.has_value()},
        config_.transform, device_, context.generator);
  }
  call(context.checkpoint);
  const FeatureMaps features = network.backbone(batch.images.tensor);
  call(context.checkpoint);
  RpnTraining rpn = train_rpn(network, maps_of(features), batch, context.generator);
  call(context.checkpoint);
  Losses losses = train_roi_heads(network, features, rpn.proposals, batch, context.generator);
  losses.emplace_back("loss_objectness", std::move(rpn.losses.objectness));
  losses.emplace_back("loss_rpn_box_reg", std::move(rpn.losses.box_reg));
  return losses;
}

GeneralizedRcnn::RpnTraining GeneralizedRcnn::train_rpn(RcnnNetwork& network,
                                                        const std::vector<at::Tensor>& maps,
                                                        const TrainingBatch& batch,
                                                        const at::Generator& generator) {
  check_features(maps, anchors_.levels(), batch.targets.size());
  std::optional<RpnHeadWeights> weights;
  if (maps.front().scalar_type() == at::kFloat) weights = network.rpn_head_weights();
  FlatHeads flat;
  {
    const c10::AutoGradMode gradients(at::GradMode::is_enabled() && !weights);
    flat = run_head(network, maps);
  }
  RpnTraining training;
  AnchorSamples samples;
  {
    const at::NoGradGuard no_gradients;
    const SerialScope serial;
    const at::Tensor anchors =
        anchors_.grid_anchors(sizes_of(maps), spatial_size(batch.images.tensor), device_);
    // First, since it looks at all the head's numbers and the losses only at a few.
    const FlatHeads detached{flat.objectness.detach(), flat.deltas.detach(), flat.level_anchors};
    training.proposals =
        select_proposals(detached, anchors, batch.images.image_sizes, config_.rpn,
                         {config_.rpn.pre_nms_top_n_train, config_.rpn.post_nms_top_n_train})
            .boxes;
    samples = sample_anchors(detached.objectness.flatten(), anchors, batch.targets, config_.rpn,
                             generator);
  }
  const at::Tensor rows = samples.rows();
  AnchorOutputs outputs = pick(flat, rows);
  if (weights) {
    const bool any = rows.size(0) > 0;
    AnchorOutputs few = any ? rpn_head_at(*weights, maps, rows) : AnchorOutputs();
    outputs = any && agree(few, outputs) ? std::move(few) : pick(run_head(network, maps), rows);
  }
  training.losses = rpn_losses(outputs.objectness, outputs.deltas, samples);
  return training;
}

Losses GeneralizedRcnn::train_roi_heads(RcnnNetwork& network, const FeatureMaps& features,
                                        const std::vector<at::Tensor>& proposals,
                                        const TrainingBatch& batch,
                                        const at::Generator& generator) const {
  const RoiHeadsConfig& config = config_.roi_heads;
  std::vector<RoiSample> samples;
  std::vector<RoiSample> positives;
  {
    const at::NoGradGuard no_gradients;
    const SerialScope serial;
    samples = sample_rois(proposals, batch.targets, config, generator);
    positives = positive_rois(samples);
  }
  const ImageSize batch_size = spatial_size(batch.images.tensor);
  const auto pool = [&](const std::vector<RoiSample>& rois, const RoiPoolConfig& pool_config) {
    return pool_rois(select_pool_maps(features, pool_config, batch_size), boxes_of(rois),
                     pool_config);
  };
  const auto [class_logits, box_regression] = network.box_head(pool(samples, config.box_roi_pool));
  const BoxLosses box =
      box_losses(in_float(class_logits), in_float(box_regression), samples, batch.targets, config);
  Losses losses = {{"loss_classifier", box.classifier}, {"loss_box_reg", box.box_reg}};
  if (config.mask_roi_pool) {
    const at::Tensor logits = network.mask_head(pool(positives, *config.mask_roi_pool));
    losses.emplace_back("loss_mask", mask_loss(in_float(logits), positives, batch.targets));
  }
  if (config.keypoint_roi_pool) {
    const at::Tensor heatmaps = network.keypoint_head(pool(positives, *config.keypoint_roi_pool));
    losses.emplace_back("loss_keypoint",
                        keypoint_loss(in_float(heatmaps), positives, batch.targets));
  }
  return losses;
}

}  // namespace torchdet::detection
