#include "precision_network.h"

#include <ATen/core/Tensor.h>

namespace torchdet::script {
namespace {

using detection::FeatureMaps;

at::Tensor narrow(const at::Tensor& tensor) { return tensor.to(at::kBFloat16); }
at::Tensor widen(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kFloat) : tensor;
}

std::vector<at::Tensor> widen(std::vector<at::Tensor> tensors) {
  for (at::Tensor& tensor : tensors) tensor = widen(tensor);
  return tensors;
}

// Features go to a head right after they are made: the narrow ones are at hand then.
class NarrowFeatures {
 public:
  FeatureMaps keep(FeatureMaps maps) {
    narrow_.clear();
    wide_.clear();
    for (auto& [name, map] : maps) {
      narrow_.push_back(map);
      map = widen(map);
      wide_.push_back(map);
    }
    return maps;
  }

  std::vector<at::Tensor> take(const std::vector<at::Tensor>& features) {
    std::vector<at::Tensor> result;
    for (size_t i = 0; i < features.size(); ++i) {
      const bool kept = i < wide_.size() && wide_[i].is_same(features[i]);
      result.push_back(kept ? narrow_[i] : narrow(features[i]));
    }
    narrow_.clear();
    wide_.clear();
    return result;
  }

 private:
  std::vector<at::Tensor> narrow_;
  std::vector<at::Tensor> wide_;
};

class Bfloat16Rcnn : public detection::RcnnNetwork {
 public:
  explicit Bfloat16Rcnn(std::unique_ptr<detection::RcnnNetwork> network)
      : network_(std::move(network)) {}

  FeatureMaps backbone(const at::Tensor& images) override {
    return features_.keep(network_->backbone(narrow(images)));
  }

  std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>> rpn_head(
      const std::vector<at::Tensor>& features) override {
    auto [objectness, deltas] = network_->rpn_head(features_.take(features));
    return {widen(std::move(objectness)), widen(std::move(deltas))};
  }

  std::pair<at::Tensor, at::Tensor> box_head(const at::Tensor& pooled) override {
    const auto [logits, deltas] = network_->box_head(narrow(pooled));
    return {widen(logits), widen(deltas)};
  }

  at::Tensor mask_head(const at::Tensor& pooled) override {
    return widen(network_->mask_head(narrow(pooled)));
  }

  at::Tensor keypoint_head(const at::Tensor& pooled) override {
    return widen(network_->keypoint_head(narrow(pooled)));
  }

 private:
  std::unique_ptr<detection::RcnnNetwork> network_;
  NarrowFeatures features_;
};

class Bfloat16Dense : public detection::DenseNetwork {
 public:
  explicit Bfloat16Dense(std::unique_ptr<detection::DenseNetwork> network)
      : network_(std::move(network)) {}

  FeatureMaps backbone(const at::Tensor& images) override {
    return features_.keep(network_->backbone(narrow(images)));
  }

  detection::DenseOutputs head(const std::vector<at::Tensor>& features) override {
    detection::DenseOutputs outputs = network_->head(features_.take(features));
    return {widen(outputs.cls_logits), widen(outputs.bbox_regression), widen(outputs.bbox_ctrness)};
  }

 private:
  std::unique_ptr<detection::DenseNetwork> network_;
  NarrowFeatures features_;
};

}  // namespace

std::unique_ptr<detection::RcnnNetwork> in_bfloat16(
    std::unique_ptr<detection::RcnnNetwork> network) {
  return std::make_unique<Bfloat16Rcnn>(std::move(network));
}

std::unique_ptr<detection::DenseNetwork> in_bfloat16(
    std::unique_ptr<detection::DenseNetwork> network) {
  return std::make_unique<Bfloat16Dense>(std::move(network));
}

}  // namespace torchdet::script
