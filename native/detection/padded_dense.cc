// Detection by a DenseDetector on a device that works on its own: from the upload of the pixels to
// the boxes nothing depends on a number that the host would have to fetch.
#include <ATen/core/Tensor.h>

#include "box_coder.h"
#include "dense_detector.h"
#include "padded_selection.h"
#include "retinanet.h"
#include "ssd.h"
#include "stage_parts.h"

namespace torchdet::detection {
namespace {

PaddedDetections select_padded(const DenseOutputs& outputs, const DensePlaces& places,
                               const std::vector<ImageSize>& image_sizes, const DenseConfig& config,
                               double score_threshold) {
  const auto by_level = [&](const LevelRule& rule) {
    return select_padded_by_level(outputs, places, image_sizes, config, rule, score_threshold);
  };
  switch (config.head) {
    case DenseHead::kRetinaNet:
      return by_level(retinanet_rule(config));
    case DenseHead::kFcos:
      return by_level(fcos_rule(config));
    case DenseHead::kFcosOriginal:
      return by_level(fcos_original_rule(config));
    case DenseHead::kSsd:
      return select_padded_ssd(outputs, places, image_sizes, config, score_threshold);
  }
  TORCH_CHECK(false, "unknown dense head");
}

at::Tensor wide(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat) : tensor;
}

}  // namespace

DenseForward DenseDetector::forward_padded(DenseNetwork& network, const at::Tensor& batch,
                                           const std::vector<ImageSize>& image_sizes,
                                           double score_threshold, const Checkpoint& checkpoint) {
  const std::vector<at::Tensor> features = maps_of(backbone(network, batch));
  call(checkpoint);
  DenseForward result;
  result.places = places(features, image_sizes.size(), spatial_size(batch));
  const DenseOutputs outputs = network.head(features);
  result.outputs = {wide(outputs.cls_logits), wide(outputs.bbox_regression),
                    wide(outputs.bbox_ctrness)};
  check_output_shapes(result.outputs, result.places, image_sizes.size(), has_ctrness());
  result.detections =
      select_padded(result.outputs, result.places, image_sizes, config_, score_threshold);
  return result;
}

std::vector<Detections> DenseDetector::predict_padded(DenseNetwork& network,
                                                      const std::vector<ImageView>& images,
                                                      double score_threshold,
                                                      const Checkpoint& checkpoint,
                                                      Replays* replays) {
  const ImageBatch batch = transform(images);
  call(checkpoint);
  const DenseForward result = forward_batch(
      replays, batch, score_threshold, checkpoint,
      [this, &network, score_threshold](
          const at::Tensor& input, const std::vector<ImageSize>& sizes, const Checkpoint& between) {
        return forward_padded(network, input, sizes, score_threshold, between);
      });
  call(checkpoint);
  FetchedDetections fetched = fetch(result.detections);
  // Says which numbers, and passes where finite ones only had too large a sum.
  if (!fetched.finite) check_outputs(result.outputs, result.places, images.size(), has_ctrness());
  for (size_t i = 0; i < images.size(); ++i) {
    Detections& found = fetched.on_host[i];
    found.boxes = resize_boxes(found.boxes, batch.image_sizes[i], batch.original_sizes[i]);
  }
  return std::move(fetched.on_host);
}

}  // namespace torchdet::detection
