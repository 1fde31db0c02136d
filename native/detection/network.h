// What the detection code asks of a network of R-CNN structure. native/script implements it over
// TorchScript modules, in the exact and in the compiled form; the detection code never sees
// TorchScript. Calls happen on the device's thread only.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

namespace torchdet::detection {

// Feature maps in the backbone's order, finest first, under torchvision's names ('0', '1', ...,
// 'pool').
using FeatureMaps = std::vector<std::pair<std::string, at::Tensor>>;

class RcnnNetwork {
 public:
  virtual ~RcnnNetwork() = default;

  virtual FeatureMaps backbone(const at::Tensor& images) = 0;

  // Per level: objectness logits N x A x H x W and box deltas N x 4A x H x W.
  virtual std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>> rpn_head(
      const std::vector<at::Tensor>& features) = 0;

  // Class logits R x C and box regression R x 4C of pooled features R x channels x h x w.
  virtual std::pair<at::Tensor, at::Tensor> box_head(const at::Tensor& pooled) = 0;
};

}  // namespace torchdet::detection
