// What a detector runs: touched on the device's thread only.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "../detection/generalized_rcnn.h"
#include "module_state.h"

namespace torchdet::binding {

struct DetectorState {
  DetectorState(std::shared_ptr<ModuleState> module_state,
                std::optional<detection::DetectionConfig> config);

  std::vector<detection::Detections> predict(const std::vector<detection::ImageView>& images,
                                             double score_threshold, bool exact,
                                             const detection::Checkpoint& checkpoint);
  detection::RcnnNetwork& exact_network();

  const std::shared_ptr<ModuleState> module;
  std::optional<detection::GeneralizedRcnn> rcnn;

 private:
  detection::RcnnNetwork& compiled_network();
  // Running statistics and dropout behave as in evaluation, whatever mode the module is left in for
  // training.
  void enter_evaluation();

  std::unique_ptr<detection::RcnnNetwork> exact_;
  std::unique_ptr<detection::RcnnNetwork> compiled_;
  uint64_t compiled_version_ = 0;
};

}  // namespace torchdet::binding
