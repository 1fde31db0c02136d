// A one-stage detector, as torchvision's RetinaNet, FCOS and SSD, and the original FCOS: it owns
// the configuration and the generator of its anchors, default boxes or points with its cache, and
// borrows the network for the length of each call, so that one object serves the exact and the
// compiled form of a network. Not thread-safe: it belongs to its device's thread. Every method runs
// with the caller's gradient mode, which must be off (NoGradGuard or InferenceMode) but for the
// losses, and throws c10::Error on bad input or on network outputs that do not fit or are not
// finite.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <variant>
#include <vector>

#include "anchors.h"
#include "config.h"
#include "default_boxes.h"
#include "dense_selection.h"
#include "fcos.h"
#include "network.h"
#include "padded_selection.h"
#include "replays.h"
#include "types.h"

namespace torchdet::detection {

struct DenseOutput {
  at::Tensor anchors;                  // S x 4 xyxy, the same for every image; fcosOriginal: S x 2
  DenseOutputs outputs;                // of the head
  std::vector<Detections> detections;  // per image, boxes in pixels of the resized image
};

// From the batch to the boxes, on the device.
struct DenseForward {
  DensePlaces places;
  DenseOutputs outputs;
  PaddedDetections detections;
};

class DenseDetector {
 public:
  using Replays = detection::Replays<DenseForward>;

  DenseDetector(DenseConfig config, c10::Device device);

  const DenseConfig& config() const { return config_; }

  // Detections in pixels of the images as they came in; scores below `score_threshold` are dropped
  // after the model's own thresholds. `checkpoint` is called between the stages.
  std::vector<Detections> predict(DenseNetwork& network, const std::vector<ImageView>& images,
                                  double score_threshold, const Checkpoint& checkpoint);

  // The same without waiting for the device but once, at the end: what a GPU is given. In
  // padded_dense.cc. With `replays`, which are this network's, the device's work is recorded and
  // replayed; `checkpoint` is then only called before and after it.
  std::vector<Detections> predict_padded(DenseNetwork& network,
                                         const std::vector<ImageView>& images,
                                         double score_threshold, const Checkpoint& checkpoint,
                                         Replays* replays = nullptr);

  // Named scalars as torchvision's, for a network in training mode: RetinaNet `classification` and
  // `bbox_regression`; FCOS in both forms these and `bbox_ctrness`; SSD `bbox_regression` and
  // `classification`. Gradients flow where the caller's mode has them on. Not checked for being
  // finite. Throws TargetError.
  Losses losses(DenseNetwork& network, const std::vector<ImageView>& images,
                const std::vector<Target>& targets, TrainingContext& context);

  // The single stages that predict runs.
  ImageBatch transform(const std::vector<ImageView>& images) const;
  FeatureMaps backbone(DenseNetwork& network, const at::Tensor& batch) const;
  // `features` in the backbone's order; `image_sizes` before padding; `batch_size` height and width
  // of the batch.
  DenseOutput head(DenseNetwork& network, const std::vector<at::Tensor>& features,
                   const std::vector<ImageSize>& image_sizes, const ImageSize& batch_size);

 private:
  DenseForward forward_padded(DenseNetwork& network, const at::Tensor& batch,
                              const std::vector<ImageSize>& image_sizes, double score_threshold,
                              const Checkpoint& checkpoint);

  using Generator = std::variant<AnchorGenerator, DefaultBoxGenerator, PointGenerator>;

  static Generator make_generator(const DenseConfig& config);

  bool has_ctrness() const;
  // Throws where the maps do not fit the detector or the images.
  DensePlaces places(const std::vector<at::Tensor>& features, size_t images,
                     const ImageSize& batch_size);
  std::vector<Detections> select(const DenseOutputs& outputs, const DensePlaces& places,
                                 const std::vector<ImageSize>& image_sizes) const;

  DenseConfig config_;
  c10::Device device_;
  Generator generator_;
};

}  // namespace torchdet::detection
