#include "generalized_rcnn.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "image_batch.h"
#include "roi_branches.h"
#include "roi_heads.h"
#include "roi_pool.h"
#include "rpn.h"
#include "serial_scope.h"
#include "stage_parts.h"

namespace torchdet::detection {
namespace {

std::vector<Detections> no_detections(size_t images, const at::TensorOptions& options) {
  Detections none;
  none.boxes = at::empty({0, 4}, options);
  none.labels = at::empty({0}, options.dtype(at::kLong));
  none.scores = at::empty({0}, options);
  return std::vector<Detections>(images, none);
}

}  // namespace

GeneralizedRcnn::GeneralizedRcnn(RcnnConfig config, c10::Device device)
    : config_(std::move(config)), device_(device), anchors_(config_.anchors) {}

ImageBatch GeneralizedRcnn::transform(const std::vector<ImageView>& images) const {
  return make_image_batch(images, config_.transform, device_);
}

FeatureMaps GeneralizedRcnn::backbone(RcnnNetwork& network, const at::Tensor& batch) const {
  return network.backbone(batch);
}

RpnOutput GeneralizedRcnn::rpn(RcnnNetwork& network, const std::vector<at::Tensor>& features,
                               const std::vector<ImageSize>& image_sizes,
                               const ImageSize& batch_size) {
  check_features(features, anchors_.levels(), image_sizes.size());
  const auto [objectness, deltas] = network.rpn_head(features);
  const SerialScope serial;
  FlatHeads heads = flatten_heads(objectness, deltas);
  const at::Tensor anchors =
      anchors_.grid_anchors(sizes_of(features), batch_size, features[0].device());
  Proposals proposals =
      select_proposals(heads, anchors, image_sizes, config_.rpn,
                       {config_.rpn.pre_nms_top_n_test, config_.rpn.post_nms_top_n_test});
  return {anchors, std::move(heads.objectness), std::move(heads.deltas), std::move(proposals.boxes),
          std::move(proposals.scores)};
}

RoiOutput GeneralizedRcnn::roi_heads(RcnnNetwork& network, const FeatureMaps& features,
                                     const std::vector<at::Tensor>& proposals,
                                     const std::vector<ImageSize>& image_sizes,
                                     const ImageSize& batch_size, double score_threshold) const {
  TORCH_CHECK(!proposals.empty() && proposals.size() == image_sizes.size(), "got proposals for ",
              proposals.size(), " images and sizes of ", image_sizes.size());
  const RoiPoolConfig& pool = config_.roi_heads.box_roi_pool;
  RoiOutput output;
  output.pooled = pool_rois(select_pool_maps(features, pool, batch_size), proposals, pool);
  if (output.pooled.size(0) == 0) {
    // No proposals at all: there is nothing to ask the network, and compiled ones do not take empty
    // batches.
    output.class_logits = at::empty({0, 0}, output.pooled.options());
    output.box_regression = at::empty({0, 0}, output.pooled.options());
    output.detections = no_detections(proposals.size(), output.pooled.options());
  } else {
    std::tie(output.class_logits, output.box_regression) = network.box_head(output.pooled);
    const SerialScope serial;
    output.detections = select_detections(output.class_logits, output.box_regression, proposals,
                                          image_sizes, config_.roi_heads);
    for (Detections& detections : output.detections) drop_below(score_threshold, detections);
  }
  add_branches(network, features, config_.roi_heads, batch_size, output.detections);
  return output;
}

std::vector<Detections> GeneralizedRcnn::predict(RcnnNetwork& network,
                                                 const std::vector<ImageView>& images,
                                                 double score_threshold,
                                                 const Checkpoint& checkpoint) {
  const ImageBatch batch = transform(images);
  const ImageSize batch_size = spatial_size(batch.tensor);
  call(checkpoint);
  const FeatureMaps features = backbone(network, batch.tensor);
  call(checkpoint);
  const std::vector<at::Tensor> proposals =
      rpn(network, maps_of(features), batch.image_sizes, batch_size).proposals;
  call(checkpoint);
  std::vector<Detections> detections =
      roi_heads(network, features, proposals, batch.image_sizes, batch_size, score_threshold)
          .detections;
  call(checkpoint);
  for (size_t i = 0; i < detections.size(); ++i)
    to_original_size(detections[i], batch.image_sizes[i], batch.original_sizes[i]);
  return detections;
}

}  // namespace torchdet::detection
