// DetectorState in training: beside detection, which is in detector_state.cc.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <cmath>

#include "../script/dense_network.h"
#include "../script/network.h"
#include "../script/state.h"
#include "detector_state.h"
#include "errors.h"

namespace torchdet::binding {
namespace {

using torch::jit::Module;

std::unique_ptr<detection::RcnnNetwork> make_training_form(const DrivenRcnn&,
                                                           const Module& module) {
  return script::make_training_network(module);
}

std::unique_ptr<detection::DenseNetwork> make_training_form(const DrivenDense&,
                                                            const Module& module) {
  return script::make_training_dense_network(module);
}

template <typename AnyDriven>
typename AnyDriven::Network& training_form(AnyDriven& driven, const Module& module) {
  if (!driven.training) driven.training = make_training_form(driven, module);
  return *driven.training;
}

bool all_finite(const training::LossValues& values) {
  return std::all_of(values.begin(), values.end(),
                     [](const auto& loss) { return std::isfinite(loss.second); });
}

// Puts a module's buffers back when it goes, unless they may stay as they are by then: running
// statistics move in training mode.
class KeptBuffers {
 public:
  explicit KeptBuffers(const Module& module) {
    for (const script::StateEntry& entry : script::state_of(module))
      if (!entry.is_parameter) kept_.push_back({entry.name, entry.tensor, entry.tensor.clone()});
  }
  ~KeptBuffers() {
    const c10::AutoGradMode no_gradients(false);
    for (Kept& kept : kept_) kept.buffer.copy_(kept.value);
  }
  void let_go() { kept_.clear(); }

  // A norm that saw one number of a channel has divided by none for its variance. torch refuses
  // such a batch; here it is seen by what it did.
  void check_measured() const {
    const c10::AutoGradMode no_gradients(false);
    std::vector<at::Tensor> sums;
    for (const Kept& kept : kept_)
      if (kept.buffer.is_floating_point()) sums.push_back(at::sum(kept.buffer, at::kDouble));
    if (sums.empty() || !at::isnan(at::stack(sums)).any().item<bool>()) return;
    for (const Kept& kept : kept_) {
      if (!at::isnan(kept.buffer).any().item<bool>()) continue;
      throw CodedError("ERR_NOT_FINITE",
                       kept.name +
                           " became NaN, so no step was made: a norm needs more than one number of "
                           "each channel. Use a larger batch, larger images, or frozen norms.");
    }
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

 private:
  struct Kept {
    std::string name;
    at::Tensor buffer, value;
  };
  std::vector<Kept> kept_;
};

}  // namespace

detection::Losses DetectorState::losses(const std::vector<detection::ImageView>& images,
                                        const std::vector<detection::Target>& targets,
                                        std::optional<uint64_t> seed,
                                        const detection::Checkpoint& checkpoint) {
  if (!module->module.is_training()) module->module.train();
  if (seed) at::manual_seed(*seed);
  detection::TrainingContext context{at::detail::getDefaultCPUGenerator(), checkpoint};
  if (auto* rcnn = std::get_if<DrivenRcnn>(&driven_)) {
    return rcnn->detector.losses(training_form(*rcnn, module->module), images, targets, context);
  }
  auto& dense = std::get<DrivenDense>(driven_);
  return dense.detector.losses(training_form(dense, module->module), images, targets, context);
}

training::LossValues DetectorState::measure(const std::vector<detection::ImageView>& images,
                                            const std::vector<detection::Target>& targets,
                                            std::optional<uint64_t> seed,
                                            const detection::Checkpoint& checkpoint) {
  const c10::AutoGradMode no_gradients(false);
  const KeptBuffers kept(module->module);
  return training::values_of(losses(images, targets, seed, checkpoint));
}

training::StepResult DetectorState::train_step(
    const std::vector<detection::ImageView>& images, const std::vector<detection::Target>& targets,
    training::Optimizer& optimizer, std::optional<uint64_t> seed,
    const training::StepOptions& options, const detection::Checkpoint& checkpoint,
    const std::function<void(training::Optimizer&)>& exchange) {
  ++module->version;
  // Where no step is made, statistics of its images, which may be NaN, must not stay either.
  KeptBuffers kept(module->module);
  const auto forward = [&] {
    detection::Losses found = losses(images, targets, seed, checkpoint);
    // Losses that are not finite are told as such.
    if (all_finite(training::values_of(found))) kept.check_measured();
    return found;
  };
  const training::StepResult result = training::train_step(
      forward, optimizer, options, c10::Device(module->device), checkpoint, exchange);
  kept.let_go();
  return result;
}

}  // namespace torchdet::binding
