// Detection by a GeneralizedRcnn on a device that works on its own: from the upload of the pixels
// to the boxes nothing depends on a number that the host would have to fetch.
#include <ATen/core/Tensor.h>

#include "box_coder.h"
#include "checks.h"
#include "generalized_rcnn.h"
#include "padded_selection.h"
#include "roi_branches.h"
#include "roi_pool.h"
#include "stage_parts.h"

namespace torchdet::detection {

RcnnForward GeneralizedRcnn::forward_padded(RcnnNetwork& network, const at::Tensor& batch,
                                            const std::vector<ImageSize>& image_sizes,
                                            double score_threshold, const Checkpoint& checkpoint) {
  const ImageSize batch_size = spatial_size(batch);
  RcnnForward result;
  result.features = backbone(network, batch);
  const std::vector<at::Tensor> maps = maps_of(result.features);
  check_features(maps, anchors_.levels(), image_sizes.size());
  call(checkpoint);
  const auto [objectness, deltas] = network.rpn_head(maps);
  result.heads = flatten_heads(objectness, deltas);
  result.heads.objectness = result.heads.objectness.to(at::kFloat);
  result.heads.deltas = result.heads.deltas.to(at::kFloat);
  result.anchors = anchors_.grid_anchors(sizes_of(maps), batch_size, device_);
  const PaddedProposals proposals =
      select_padded_proposals(result.heads, result.anchors, image_sizes, config_.rpn,
                              {config_.rpn.pre_nms_top_n_test, config_.rpn.post_nms_top_n_test});
  call(checkpoint);
  const RoiPoolConfig& pool = config_.roi_heads.box_roi_pool;
  const at::Tensor pooled = pool_rois(select_pool_maps(result.features, pool, batch_size),
                                      proposals.list.boxes.unbind(), pool);
  const auto [class_logits, box_regression] = network.box_head(pooled);
  result.class_logits = class_logits.to(at::kFloat);
  result.box_regression = box_regression.to(at::kFloat);
  result.detections =
      select_padded_detections(result.class_logits, result.box_regression, proposals, image_sizes,
                               config_.roi_heads, score_threshold);
  return result;
}

std::vector<Detections> GeneralizedRcnn::predict_padded(RcnnNetwork& network,
                                                        const std::vector<ImageView>& images,
                                                        double score_threshold,
                                                        const Checkpoint& checkpoint,
                                                        Replays* replays) {
  const ImageBatch batch = transform(images);
  call(checkpoint);
  const RcnnForward result = forward_batch(
      replays, batch, score_threshold, checkpoint,
      [this, &network, score_threshold](
          const at::Tensor& input, const std::vector<ImageSize>& sizes, const Checkpoint& between) {
        return forward_padded(network, input, sizes, score_threshold, between);
      });
  call(checkpoint);

  FetchedDetections fetched = fetch(result.detections);
  if (!fetched.finite) {
    // Says which, and passes where finite numbers only had too large a sum.
    check_finite(result.heads.objectness, "RPN objectness logits");
    check_finite(result.heads.deltas, "RPN box deltas");
    check_finite(result.class_logits, "class logits");
    check_finite(result.box_regression, "box regression");
  }
  const bool branches = config_.roi_heads.mask_roi_pool || config_.roi_heads.keypoint_roi_pool;
  if (branches) {
    add_branches(network, result.features, config_.roi_heads, spatial_size(batch.tensor),
                 fetched.on_device);
  }
  for (size_t i = 0; i < images.size(); ++i) {
    Detections& found = fetched.on_host[i];
    if (branches) {
      Detections& device = fetched.on_device[i];
      to_original_size(device, batch.image_sizes[i], batch.original_sizes[i]);
      found.masks = device.masks;
      found.keypoints = device.keypoints;
      found.keypoints_scores = device.keypoints_scores;
    }
    found.boxes = resize_boxes(found.boxes, batch.image_sizes[i], batch.original_sizes[i]);
  }
  return std::move(fetched.on_host);
}

}  // namespace torchdet::detection
