#include "precision_network.h"

#include <ATen/core/Tensor.h>

namespace torchdet::script {
namespace {

using detection::FeatureMaps;

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
  explicit NarrowFeatures(at::ScalarType dtype) : dtype_(dtype) {}

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
      result.push_back(kept ? narrow_[i] : features[i].to(dtype_));
    }
    narrow_.clear();
    wide_.clear();
    return result;
  }

 private:
  at::ScalarType dtype_;
  std::vector<at::Tensor> narrow_;
  std::vector<at::Tensor> wide_;
};

class HalfRcnn : public detection::RcnnNetwork {
 public:
  HalfRcnn(std::unique_ptr<detection::RcnnNetwork> network, at::ScalarType dtype)
      : network_(std::move(network)), dtype_(dtype), features_(dtype) {}

  FeatureMaps backbone(const at::Tensor& images) override {
    return features_.keep(network_->backbone(images.to(dtype_)));
  }

  std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>> rpn_head(
      const std::vector<at::Tensor>& features) override {
    auto [objectness, deltas] = network_->rpn_head(features_.take(features));
    return {widen(std::move(objectness)), widen(std::move(deltas))};
  }

  std::pair<at::Tensor, at::Tensor> box_head(const at::Tensor& pooled) override {
    const auto [logits, deltas] = network_->box_head(pooled.to(dtype_));
    return {widen(logits), widen(deltas)};
  }

  at::Tensor mask_head(const at::Tensor& pooled) override {
    return widen(network_->mask_head(pooled.to(dtype_)));
  }

  at::Tensor keypoint_head(const at::Tensor& pooled) override {
    return widen(network_->keypoint_head(pooled.to(dtype_)));
  }

 private:
  std::unique_ptr<detection::RcnnNetwork> network_;
  at::ScalarType dtype_;
  NarrowFeatures features_;
};

class HalfDense : public detection::DenseNetwork {
 public:
  HalfDense(std::unique_ptr<detection::DenseNetwork> network, at::ScalarType dtype)
      : network_(std::move(network)), dtype_(dtype), features_(dtype) {}

  FeatureMaps backbone(const at::Tensor& images) override {
    return features_.keep(network_->backbone(images.to(dtype_)));
  }

  detection::DenseOutputs head(const std::vector<at::Tensor>& features) override {
    detection::DenseOutputs outputs = network_->head(features_.take(features));
    return {widen(outputs.cls_logits), widen(outputs.bbox_regression), widen(outputs.bbox_ctrness)};
  }

 private:
  std::unique_ptr<detection::DenseNetwork> network_;
  at::ScalarType dtype_;
  NarrowFeatures features_;
};

}  // namespace

std::unique_ptr<detection::RcnnNetwork> in_half(std::unique_ptr<detection::RcnnNetwork> network,
                                                at::ScalarType dtype) {
  return std::make_unique<HalfRcnn>(std::move(network), dtype);
}

std::unique_ptr<detection::DenseNetwork> in_half(std::unique_ptr<detection::DenseNetwork> network,
                                                 at::ScalarType dtype) {
  return std::make_unique<HalfDense>(std::move(network), dtype);
}

}  // namespace torchdet::script
