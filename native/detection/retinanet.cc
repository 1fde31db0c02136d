#include "retinanet.h"

#include "box_coder.h"

namespace torchdet::detection {

LevelRule retinanet_rule(const DenseConfig& config) {
  LevelRule rule;
  rule.least_probability = config.score_thresh;
  rule.score = [](const at::Tensor& probabilities, const at::Tensor&) {
    return LevelScores{probabilities, probabilities};
  };
  rule.decode = [coder = BoxCoder(config.bbox_reg_weights)](const at::Tensor& deltas,
                                                            const at::Tensor& references) {
    return coder.decode(deltas, references);
  };
  return rule;
}

std::vector<Detections> select_retinanet(const DenseOutputs& outputs, const DensePlaces& anchors,
                                         const std::vector<ImageSize>& image_sizes,
                                         const DenseConfig& config) {
  return select_by_level(outputs, anchors, image_sizes, config, retinanet_rule(config));
}

}  // namespace torchdet::detection
