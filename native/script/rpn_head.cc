#include "rpn_head.h"

#include <unordered_map>

#include "state.h"

namespace torchdet::script {

std::optional<detection::RpnHeadWeights> rpn_head_weights(const torch::jit::Module& head) {
  std::unordered_map<std::string, at::Tensor> tensors;
  for (const StateEntry& entry : state_of(head)) tensors.emplace(entry.name, entry.tensor);
  const detection::RpnHeadWeights weights{
      tensors["conv.0.0.weight"], tensors["conv.0.0.bias"],    tensors["cls_logits.weight"],
      tensors["cls_logits.bias"], tensors["bbox_pred.weight"], tensors["bbox_pred.bias"],
  };
  // Looking a name up adds it: there are others, or some of these are missing.
  if (tensors.size() != 6) return std::nullopt;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.defined() || tensor.scalar_type() != at::kFloat) return std::nullopt;
  }
  const auto is = [](const at::Tensor& tensor, std::initializer_list<int64_t> shape) {
    return tensor.sizes() == at::IntArrayRef(shape);
  };
  const int64_t channels = weights.conv_bias.numel();
  const int64_t anchors = weights.cls_bias.numel();
  const bool fits = is(weights.conv_weight, {channels, channels, 3, 3}) &&
                    is(weights.cls_weight, {anchors, channels, 1, 1}) &&
                    is(weights.bbox_weight, {4 * anchors, channels, 1, 1}) &&
                    is(weights.bbox_bias, {4 * anchors});
  if (!fits) return std::nullopt;
  return weights;
}

}  // namespace torchdet::script
