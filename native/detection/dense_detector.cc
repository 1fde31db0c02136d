#include "dense_detector.h"

#include <ATen/core/grad_mode.h>
#include <c10/util/Exception.h>

#include <utility>

#include "box_coder.h"
#include "dense_losses.h"
#include "image_batch.h"
#include "retinanet.h"
#include "ssd.h"
#include "stage_parts.h"
#include "training_batch.h"

namespace torchdet::detection {

DenseDetector::DenseDetector(DenseConfig config, c10::Device device)
    : config_(std::move(config)), device_(device), generator_(make_generator(config_)) {}

DenseDetector::Generator DenseDetector::make_generator(const DenseConfig& config) {
  switch (config.head) {
    case DenseHead::kRetinaNet:
    case DenseHead::kFcos:
      TORCH_CHECK(config.anchors, "RetinaNet and FCOS need anchors");
      return AnchorGenerator(*config.anchors);
    case DenseHead::kFcosOriginal:
      TORCH_CHECK(config.point_strides, "the original FCOS needs the strides of its points");
      return PointGenerator(*config.point_strides);
    case DenseHead::kSsd:
      TORCH_CHECK(config.default_boxes, "SSD needs default boxes");
      return DefaultBoxGenerator(*config.default_boxes);
  }
  TORCH_CHECK(false, "unknown dense head");
}

ImageBatch DenseDetector::transform(const std::vector<ImageView>& images) const {
  return make_image_batch(images, config_.transform, device_);
}

FeatureMaps DenseDetector::backbone(DenseNetwork& network, const at::Tensor& batch) const {
  return network.backbone(batch);
}

bool DenseDetector::has_ctrness() const {
  return config_.head == DenseHead::kFcos || config_.head == DenseHead::kFcosOriginal;
}

DensePlaces DenseDetector::places(const std::vector<at::Tensor>& features, size_t images,
                                  const ImageSize& batch_size) {
  return std::visit(
      [&](auto& generator) {
        check_features(features, generator.levels(), images);
        const std::vector<ImageSize> sizes = sizes_of(features);
        DensePlaces places;
        places.references = generator.grid_anchors(sizes, batch_size, features[0].device());
        for (size_t level = 0; level < sizes.size(); ++level) {
          places.level_places.push_back(sizes[level][0] * sizes[level][1] *
                                        generator.anchors_per_location(level));
        }
        return places;
      },
      generator_);
}

std::vector<Detections> DenseDetector::select(const DenseOutputs& outputs,
                                              const DensePlaces& places,
                                              const std::vector<ImageSize>& image_sizes) const {
  switch (config_.head) {
    case DenseHead::kRetinaNet:
      return select_retinanet(outputs, places, image_sizes, config_);
    case DenseHead::kFcos:
      return select_fcos(outputs, places, image_sizes, config_);
    case DenseHead::kFcosOriginal:
      return select_fcos_original(outputs, places, image_sizes, config_);
    case DenseHead::kSsd:
      return select_ssd(outputs, places, image_sizes, config_);
  }
  TORCH_CHECK(false, "unknown dense head");
}

DenseOutput DenseDetector::head(DenseNetwork& network, const std::vector<at::Tensor>& features,
                                const std::vector<ImageSize>& image_sizes,
                                const ImageSize& batch_size) {
  const DensePlaces found = places(features, image_sizes.size(), batch_size);
  DenseOutput output;
  output.outputs = network.head(features);
  check_outputs(output.outputs, found, image_sizes.size(), has_ctrness());
  output.anchors = config_.head == DenseHead::kFcosOriginal
                       ? found.references.narrow(1, 0, 2).contiguous()
                       : found.references;
  output.detections = select(output.outputs, found, image_sizes);
  return output;
}

std::vector<Detections> DenseDetector::predict(DenseNetwork& network,
                                               const std::vector<ImageView>& images,
                                               double score_threshold,
                                               const Checkpoint& checkpoint) {
  const ImageBatch batch = transform(images);
  call(checkpoint);
  const FeatureMaps features = backbone(network, batch.tensor);
  call(checkpoint);
  std::vector<Detections> detections =
      head(network, maps_of(features), batch.image_sizes, spatial_size(batch.tensor)).detections;
  call(checkpoint);
  for (size_t i = 0; i < detections.size(); ++i) {
    drop_below(score_threshold, detections[i]);
    detections[i].boxes =
        resize_boxes(detections[i].boxes, batch.image_sizes[i], batch.original_sizes[i]);
  }
  return detections;
}

Losses DenseDetector::losses(DenseNetwork& network, const std::vector<ImageView>& images,
                             const std::vector<Target>& targets, TrainingContext& context) {
  TrainingBatch batch;
  {
    const at::NoGradGuard no_gradients;
    batch = make_training_batch(images, targets, /*parts=*/{}, config_.transform, device_,
                                context.generator);
  }
  call(context.checkpoint);
  const std::vector<at::Tensor> features = maps_of(backbone(network, batch.images.tensor));
  call(context.checkpoint);
  const DensePlaces found = places(features, images.size(), spatial_size(batch.images.tensor));
  const DenseOutputs outputs = network.head(features);
  check_output_shapes(outputs, found, images.size(), has_ctrness());
  return dense_losses(outputs, found, batch.targets, config_);
}

}  // namespace torchdet::detection
