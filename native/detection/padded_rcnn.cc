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

std::vector<Detections> GeneralizedRcnn::predict_padded(RcnnNetwork& network,
                                                        const std::vector<ImageView>& images,
                                                        double score_threshold,
                                                        const Checkpoint& checkpoint) {
  const ImageBatch batch = transform(images);
  const ImageSize batch_size = spatial_size(batch.tensor);
  call(checkpoint);
  const FeatureMaps features = backbone(network, batch.tensor);
  const std::vector<at::Tensor> maps = maps_of(features);
  check_features(maps, anchors_.levels(), images.size());
  call(checkpoint);
  const auto [objectness, deltas] = network.rpn_head(maps);
  FlatHeads heads = flatten_heads(objectness, deltas);
  heads.objectness = heads.objectness.to(at::kFloat);
  heads.deltas = heads.deltas.to(at::kFloat);
  const PaddedProposals proposals = select_padded_proposals(
      heads, anchors_.grid_anchors(sizes_of(maps), batch_size, device_), batch.image_sizes,
      config_.rpn, {config_.rpn.pre_nms_top_n_test, config_.rpn.post_nms_top_n_test});
  call(checkpoint);
  const RoiPoolConfig& pool = config_.roi_heads.box_roi_pool;
  const at::Tensor pooled =
      pool_rois(select_pool_maps(features, pool, batch_size), proposals.list.boxes.unbind(), pool);
  const auto [class_logits, box_regression] = network.box_head(pooled);
  const PaddedDetections padded =
      select_padded_detections(class_logits.to(at::kFloat), box_regression.to(at::kFloat),
                               proposals, batch.image_sizes, config_.roi_heads, score_threshold);
  call(checkpoint);

  FetchedDetections fetched = fetch(padded);
  if (!fetched.finite) {
    // Says which, and passes where finite numbers only had too large a sum.
    check_finite(heads.objectness, "RPN objectness logits");
    check_finite(heads.deltas, "RPN box deltas");
    check_finite(class_logits, "class logits");
    check_finite(box_regression, "box regression");
  }
  const bool branches = config_.roi_heads.mask_roi_pool || config_.roi_heads.keypoint_roi_pool;
  if (branches) add_branches(network, features, config_.roi_heads, batch_size, fetched.on_device);
  for (size_t i = 0; i < images.size(); ++i) {
    Detections& result = fetched.on_host[i];
    if (branches) {
      Detections& device = fetched.on_device[i];
      to_original_size(device, batch.image_sizes[i], batch.original_sizes[i]);
      result.masks = device.masks;
      result.keypoints = device.keypoints;
      result.keypoints_scores = device.keypoints_scores;
    }
    result.boxes = resize_boxes(result.boxes, batch.image_sizes[i], batch.original_sizes[i]);
  }
  return std::move(fetched.on_host);
}

}  // namespace torchdet::detection
