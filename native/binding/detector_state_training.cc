// DetectorState in training: beside detection, which is in detector_state.cc.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "../script/dense_network.h"
#include "../script/network.h"
#include "../script/state.h"
#include "detector_state.h"

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

// Puts a module's buffers back when it goes: running statistics move in training mode.
class KeptBuffers {
 public:
  explicit KeptBuffers(const Module& module) {
    for (const script::StateEntry& entry : script::state_of(module))
      if (!entry.is_parameter) kept_.emplace_back(entry.tensor, entry.tensor.clone());
  }
  ~KeptBuffers() {
    for (auto& [buffer, value] : kept_) buffer.copy_(value);
  }
  KeptBuffers(const KeptBuffers&) = delete;
  KeptBuffers& operator=(const KeptBuffers&) = delete;

 private:
  std::vector<std::pair<at::Tensor, at::Tensor>> kept_;
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
  // Running statistics move also where no step is made.
  ++module->version;
  return training::train_step([&] { return losses(images, targets, seed, checkpoint); }, optimizer,
                              options, c10::Device(module->device), checkpoint, exchange);
}

}  // namespace torchdet::binding
