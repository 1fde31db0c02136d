#include "roi_branches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <functional>
#include <utility>

#include "box_coder.h"
#include "checks.h"
#include "keypoints.h"
#include "masks.h"
#include "roi_pool.h"

namespace torchdet::detection {
namespace {

using Head = std::function<at::Tensor(const at::Tensor&)>;

// A branch's output for all boxes of the batch, R x channels x M x M, image by image.
at::Tensor run_branch(const FeatureMaps& features, const std::vector<at::Tensor>& boxes,
                      const RoiPoolConfig& config, const ImageSize& batch_size, const char* name,
                      const Head& head) {
  at::Tensor pooled = pool_rois(select_pool_maps(features, config, batch_size), boxes, config);
  const int64_t count = pooled.size(0);
  // Compiled networks do not take empty batches, but only the network knows the shape of its
  // output.
  if (count == 0)
    pooled = at::zeros({1, pooled.size(1), pooled.size(2), pooled.size(3)}, pooled.options());
  const at::Tensor output = head(pooled);
  TORCH_CHECK(output.dim() == 4 && output.size(0) == pooled.size(0), "the ", name,
              " branch's output has shape ", output.sizes(), "; wanted is ", pooled.size(0),
              " x channels x height x width");
  check_finite(output, name);
  return output.narrow(0, 0, count);
}

void add_masks(const at::Tensor& logits, std::vector<Detections>& detections) {
  std::vector<at::Tensor> labels;
  for (const Detections& found : detections) labels.push_back(found.labels);
  const at::Tensor masks = select_masks(logits, at::cat(labels));
  int64_t offset = 0;
  for (Detections& found : detections) {
    found.masks = masks.narrow(0, offset, found.labels.size(0));
    offset += found.labels.size(0);
  }
}

void add_keypoints(const at::Tensor& heatmaps, const std::vector<at::Tensor>& boxes,
                   std::vector<Detections>& detections) {
  const Keypoints keypoints = find_keypoints(heatmaps, at::cat(boxes));
  int64_t offset = 0;
  for (Detections& found : detections) {
    found.keypoints = keypoints.points.narrow(0, offset, found.labels.size(0));
    found.keypoints_scores = keypoints.scores.narrow(0, offset, found.labels.size(0));
    offset += found.labels.size(0);
  }
}

}  // namespace

void add_branches(RcnnNetwork& network, const FeatureMaps& features, const RoiHeadsConfig& config,
                  const ImageSize& batch_size, std::vector<Detections>& detections) {
  std::vector<at::Tensor> boxes;
  for (const Detections& found : detections) boxes.push_back(found.boxes);
  if (config.mask_roi_pool) {
    const at::Tensor logits =
        run_branch(features, boxes, *config.mask_roi_pool, batch_size, "mask logits",
                   [&](const at::Tensor& pooled) { return network.mask_head(pooled); });
    add_masks(logits, detections);
  }
  if (config.keypoint_roi_pool) {
    const at::Tensor heatmaps =
        run_branch(features, boxes, *config.keypoint_roi_pool, batch_size, "keypoint heat maps",
                   [&](const at::Tensor& pooled) { return network.keypoint_head(pooled); });
    add_keypoints(heatmaps, boxes, detections);
  }
}

void to_original_size(Detections& detections, const ImageSize& size,
                      const ImageSize& original_size) {
  detections.boxes = resize_boxes(detections.boxes, size, original_size);
  if (detections.masks.defined())
    detections.masks = paste_masks(detections.masks, detections.boxes, original_size);
  if (detections.keypoints.defined())
    detections.keypoints = resize_keypoints(detections.keypoints, size, original_size);
}

}  // namespace torchdet::detection
