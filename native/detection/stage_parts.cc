#include "stage_parts.h"

#include <ATen/ops/nonzero.h>
#include <c10/util/Exception.h>

namespace torchdet::detection {

std::vector<ImageSize> sizes_of(const std::vector<at::Tensor>& maps) {
  std::vector<ImageSize> sizes;
  for (const at::Tensor& map : maps) sizes.push_back(spatial_size(map));
  return sizes;
}

std::vector<at::Tensor> maps_of(const FeatureMaps& features) {
  std::vector<at::Tensor> maps;
  for (const auto& feature : features) maps.push_back(feature.second);
  return maps;
}

void check_features(const std::vector<at::Tensor>& features, size_t levels, size_t images) {
  TORCH_CHECK(features.size() == levels, "the backbone gives ", features.size(),
              " feature maps, but the anchors have sizes for ", levels, " levels");
  for (size_t i = 0; i < features.size(); ++i) {
    TORCH_CHECK(features[i].dim() == 4 && features[i].size(0) == static_cast<int64_t>(images),
                "feature map ", i, " has shape ", features[i].sizes(), "; wanted is ", images,
                " x channels x height x width");
  }
}

void drop_below(double score_threshold, Detections& detections) {
  const at::Tensor keep = at::nonzero(detections.scores.ge(score_threshold)).squeeze(1);
  if (keep.size(0) == detections.scores.size(0)) return;
  detections.boxes = detections.boxes.index_select(0, keep);
  detections.labels = detections.labels.index_select(0, keep);
  detections.scores = detections.scores.index_select(0, keep);
}

}  // namespace torchdet::detection
