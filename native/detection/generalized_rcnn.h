// A detector of R-CNN structure, as torchvision's GeneralizedRCNN: it owns the
// configuration and the anchor generator with its cache, and borrows the network for the length of
// each call, so that one object serves the exact and the compiled form of a network. Not
// thread-safe: it belongs to its device's thread. Every method runs with the caller's gradient
// mode, which must be off (NoGradGuard or InferenceMode) but for the losses, and throws c10::Error
// on bad input or on network outputs that do not fit, and NotFiniteError on outputs that are not
// finite.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "anchors.h"
#include "config.h"
#include "network.h"
#include "padded_selection.h"
#include "replays.h"
#include "rpn_losses.h"
#include "training_batch.h"
#include "types.h"

namespace torchdet::detection {

struct RpnOutput {
  at::Tensor anchors;                 // S x 4: the same for every image of the batch
  at::Tensor objectness;              // N*S x 1 logits, image by image, in the order of the anchors
  at::Tensor deltas;                  // N*S x 4
  std::vector<at::Tensor> proposals;  // per image P x 4 in pixels of the resized image, best first
  std::vector<at::Tensor> scores;     // per image P
};

struct RoiOutput {
  at::Tensor pooled;          // R x C x h x w, image by image
  at::Tensor class_logits;    // R x classes; 0 x 0 where there are no proposals at all
  at::Tensor box_regression;  // R x 4*classes; 0 x 0 likewise
  // Per image, boxes and keypoints in pixels of the resized image, masks not yet pasted (N x 1 x M
  // x M).
  std::vector<Detections> detections;
};

// From the batch to the boxes, on the device.
struct RcnnForward {
  FeatureMaps features;
  at::Tensor anchors;
  FlatHeads heads;
  at::Tensor class_logits;
  at::Tensor box_regression;
  PaddedDetections detections;
};

class GeneralizedRcnn {
 public:
  using Replays = detection::Replays<RcnnForward>;

  GeneralizedRcnn(RcnnConfig config, c10::Device device);

  const RcnnConfig& config() const { return config_; }

  // Detections in pixels of the images as they came in; scores below `score_threshold` are dropped
  // after the model's own thresholds. `checkpoint` is called between the stages.
  std::vector<Detections> predict(RcnnNetwork& network, const std::vector<ImageView>& images,
                                  double score_threshold, const Checkpoint& checkpoint);

  // The same without waiting for the device but once, at the end: what a GPU is given. In
  // padded_rcnn.cc. With `replays`, which are this network's, the device's work is recorded and
  // replayed; `checkpoint` is then only called before and after it.
  std::vector<Detections> predict_padded(RcnnNetwork& network, const std::vector<ImageView>& images,
                                         double score_threshold, const Checkpoint& checkpoint,
                                         Replays* replays = nullptr);

  // Named scalars as torchvision's, for a network in training mode: `loss_classifier`,
  // `loss_box_reg`, `loss_mask` and `loss_keypoint` where there are such branches,
  // `loss_objectness`, `loss_rpn_box_reg`. Gradients flow where the caller's mode has them on. The
  // losses themselves are not checked for being finite. Throws TargetError.
  Losses losses(RcnnNetwork& network, const std::vector<ImageView>& images,
                const std::vector<Target>& targets, TrainingContext& context);

  // The single stages that predict runs.
  ImageBatch transform(const std::vector<ImageView>& images) const;
  FeatureMaps backbone(RcnnNetwork& network, const at::Tensor& batch) const;
  // `features` in the backbone's order; `image_sizes` before padding; `batch_size` height and width
  // of the batch; detections below `score_threshold` get no masks and no keypoints: they are
  // dropped before.
  RpnOutput rpn(RcnnNetwork& network, const std::vector<at::Tensor>& features,
                const std::vector<ImageSize>& image_sizes, const ImageSize& batch_size);
  RoiOutput roi_heads(RcnnNetwork& network, const FeatureMaps& features,
                      const std::vector<at::Tensor>& proposals,
                      const std::vector<ImageSize>& image_sizes, const ImageSize& batch_size,
                      double score_threshold = 0) const;

 private:
  RcnnForward forward_padded(RcnnNetwork& network, const at::Tensor& batch,
                             const std::vector<ImageSize>& image_sizes, double score_threshold,
                             const Checkpoint& checkpoint);

  struct RpnTraining {
    RpnLosses losses;
    std::vector<at::Tensor> proposals;
  };

  // In rcnn_losses.cc.
  RpnTraining train_rpn(RcnnNetwork& network, const std::vector<at::Tensor>& maps,
                        const TrainingBatch& batch, const at::Generator& generator);
  Losses train_roi_heads(RcnnNetwork& network, const FeatureMaps& features,
                         const std::vector<at::Tensor>& proposals, const TrainingBatch& batch,
                         const at::Generator& generator) const;

  RcnnConfig config_;
  c10::Device device_;
  AnchorGenerator anchors_;
};

}  // namespace torchdet::detection
