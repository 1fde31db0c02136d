#include "detector_state.h"

#include <c10/core/InferenceMode.h>

#include "../script/forward_detector.h"
#include "../script/network.h"

namespace torchdet::binding {

DetectorState::DetectorState(std::shared_ptr<ModuleState> module_state,
                             std::optional<detection::DetectionConfig> config)
    : module(std::move(module_state)) {
  if (!config) return;
  if (auto* two_stage = std::get_if<detection::RcnnConfig>(&*config)) {
    rcnn.emplace(std::move(*two_stage), c10::Device(module->device));
  }
}

std::vector<detection::Detections> DetectorState::predict(
    const std::vector<detection::ImageView>& images, double score_threshold, bool exact,
    const detection::Checkpoint& checkpoint) {
  c10::InferenceMode no_gradients;
  enter_evaluation();
  if (!rcnn) {
    return script::predict_by_forward(module->module, images, score_threshold,
                                      c10::Device(module->device));
  }
  detection::RcnnNetwork& network = exact ? exact_network() : compiled_network();
  return rcnn->predict(network, images, score_threshold, checkpoint);
}

void DetectorState::enter_evaluation() {
  if (module->module.is_training()) module->module.eval();
}

detection::RcnnNetwork& DetectorState::exact_network() {
  if (!exact_) exact_ = script::make_exact_network(module->module);
  return *exact_;
}

detection::RcnnNetwork& DetectorState::compiled_network() {
  const uint64_t version = module->version.load();
  if (!compiled_ || compiled_version_ != version) {
    // Constants of a compiled graph must be ordinary tensors: those made in inference mode may not
    // be changed later.
    c10::InferenceMode ordinary(false);
    c10::AutoGradMode no_gradients(false);
    compiled_.reset();
    compiled_ = script::make_compiled_network(module->module);
    compiled_version_ = version;
  }
  return *compiled_;
}

}  // namespace torchdet::binding
