// What the detection code asks of a network. native/script implements it over
// TorchScript modules, in the exact and in the compiled form; the detection code never sees
// TorchScript. Calls happen on the device's thread only.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace torchdet::detection {

// Feature maps in the backbone's order, finest first, under torchvision's names ('0', '1', ...,
// 'pool').
using FeatureMaps = std::vector<std::pair<std::string, at::Tensor>>;

// Weights of torchvision's RPNHead with one convolution: 3 x 3 and ReLU, then 1 x 1 each for the
// logits of A anchors and their deltas.
struct RpnHeadWeights {
  at::Tensor conv_weight;  // C x C x 3 x 3
  at::Tensor conv_bias;
  at::Tensor cls_weight;  // A x C x 1 x 1
  at::Tensor cls_bias;
  at::Tensor bbox_weight;  // 4A x C x 1 x 1
  at::Tensor bbox_bias;
};

class RcnnNetwork {
 public:
  virtual ~RcnnNetwork() = default;

  virtual FeatureMaps backbone(const at::Tensor& images) = 0;

  // Per level: objectness logits N x A x H x W and box deltas N x 4A x H x W.
  virtual std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>> rpn_head(
      const std::vector<at::Tensor>& features) = 0;

  // Those of the head above, where it seems to be of this make by its names and shapes: what it
  // computes may still be something else.
  virtual std::optional<RpnHeadWeights> rpn_head_weights() { return std::nullopt; }

  // Class logits R x C and box regression R x 4C of pooled features R x channels x h x w.
  virtual std::pair<at::Tensor, at::Tensor> box_head(const at::Tensor& pooled) = 0;

  // Mask logits R x C x M x M, or keypoint heat maps R x K x M x M, of pooled features. Only asked
  // of a network that has the branch.
  virtual at::Tensor mask_head(const at::Tensor& pooled) = 0;
  virtual at::Tensor keypoint_head(const at::Tensor& pooled) = 0;
};

// What a one-stage head puts out for a batch of N images with S places each: level by level, row by
// row, cell by cell, anchor by anchor.
struct DenseOutputs {
  at::Tensor cls_logits;       // N x S x classes
  at::Tensor bbox_regression;  // N x S x 4
  at::Tensor bbox_ctrness;     // N x S x 1 (FCOS), else undefined
};

class DenseNetwork {
 public:
  virtual ~DenseNetwork() = default;

  virtual FeatureMaps backbone(const at::Tensor& images) = 0;
  virtual DenseOutputs head(const std::vector<at::Tensor>& features) = 0;
};

}  // namespace torchdet::detection
