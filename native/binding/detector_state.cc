#include "detector_state.h"

#include <ATen/ops/isnan.h>
#include <c10/core/InferenceMode.h>

#include "../detection/checks.h"
#include "../script/dense_network.h"
#include "../script/forward_detector.h"
#include "../script/network.h"
#include "../script/state.h"
#include "errors.h"

namespace torchdet::binding {
namespace {

using detection::ImageSize;
using torch::jit::Module;

std::unique_ptr<detection::RcnnNetwork> make_exact(const DrivenRcnn&, const Module& module) {
  return script::make_exact_network(module);
}

std::unique_ptr<detection::DenseNetwork> make_exact(const DrivenDense&, const Module& module) {
  return script::make_exact_dense_network(module);
}

// The fused ReLU of a compiled network makes 0 of NaN, so that what is NaN must be told before.
void check_pixels_finite(const detection::ImageView& image) {
  // Looking at those of a device would wait for it; its way of detecting looks at what comes out.
  if (!image.tensor.defined() || !image.tensor.is_cpu()) return;
  detection::check_finite(image.tensor, image.name.c_str());
}

void check_weights_finite(const Module& module) {
  for (const script::StateEntry& entry : script::state_of(module)) {
    // Buffers may hold infinities on purpose, as masks of attention.
    if (!entry.tensor.is_floating_point()) continue;
    if (entry.is_parameter || at::isnan(entry.tensor).any().item<bool>())
      detection::check_finite(entry.tensor, entry.name.c_str());
  }
}

}  // namespace

std::unique_ptr<detection::RcnnNetwork> make_compiled(const DrivenRcnn&,
                                                      const torch::jit::Module& module,
                                                      const script::PrecisionPlan& plan) {
  return script::make_compiled_network(module, plan);
}

std::unique_ptr<detection::DenseNetwork> make_compiled(const DrivenDense&,
                                                       const torch::jit::Module& module,
                                                       const script::PrecisionPlan& plan) {
  return script::make_compiled_dense_network(module, plan);
}

DetectorState::DetectorState(std::shared_ptr<ModuleState> module_state,
                             std::optional<detection::DetectionConfig> config)
    : module(std::move(module_state)), padded_(!c10::Device(module->device).is_cpu()) {
  if (!config) return;
  const c10::Device device(module->device);
  if (auto* two_stage = std::get_if<detection::RcnnConfig>(&*config)) {
    driven_ = DrivenRcnn{detection::GeneralizedRcnn(std::move(*two_stage), device)};
  } else {
    auto& one_stage = std::get<detection::DenseConfig>(*config);
    driven_ = DrivenDense{detection::DenseDetector(std::move(one_stage), device)};
  }
}

template <typename AnyDriven>
typename AnyDriven::Network& DetectorState::network(AnyDriven& driven, bool exact) {
  // Running statistics and dropout behave as in evaluation, whatever mode the module is left in for
  // training.
  if (module->module.is_training()) module->module.eval();
  if (exact) {
    if (!driven.exact) driven.exact = make_exact(driven, module->module);
    return *driven.exact;
  }
  const uint64_t version = module->version.load();
  if (!driven.compiled || driven.compiled_version != version) {
    // Constants of a compiled graph must be ordinary tensors: those made in inference mode may not
    // be changed later.
    c10::InferenceMode ordinary(false);
    c10::AutoGradMode no_gradients(false);
    driven.replays.reset();
    driven.compiled.reset();
    try {
      driven.compiled = make_compiled(driven, module->module, plan());
    } catch (const script::CalibrationError& error) {
      throw CodedError("ERR_CALIBRATION",
                       std::string("The calibration does not fit this network: ") + error.what());
    }
    check_weights_finite(module->module);
    driven.compiled_version = version;
  }
  return *driven.compiled;
}

template <typename Run, typename Otherwise>
auto DetectorState::drive(bool exact, Run run, Otherwise otherwise) -> decltype(otherwise()) {
  if (auto* rcnn = std::get_if<DrivenRcnn>(&driven_)) {
    return run(*rcnn, network(*rcnn, exact));
  }
  if (auto* dense = std::get_if<DrivenDense>(&driven_)) {
    return run(*dense, network(*dense, exact));
  }
  return otherwise();
}

void DetectorState::set_running(bool padded, bool replays) {
  padded_ = padded;
  replays_ = replays;
}

std::vector<detection::Detections> DetectorState::predict(
    const std::vector<detection::ImageView>& images, double score_threshold, bool exact,
    const detection::Checkpoint& checkpoint) {
  c10::InferenceMode no_gradients;
  for (const detection::ImageView& image : images) check_pixels_finite(image);
  return drive(
      exact,
      [&](auto& driven, auto& form) {
        auto& detector = driven.detector;
        if (!padded_) return detector.predict(form, images, score_threshold, checkpoint);
        const bool replay = replays_ && !exact;
        if (replay && !driven.replays) {
          driven.replays = std::make_unique<typename std::decay_t<decltype(detector)>::Replays>();
        }
        return detector.predict_padded(form, images, score_threshold, checkpoint,
                                       replay ? driven.replays.get() : nullptr);
      },
      [&] {
        if (module->module.is_training()) module->module.eval();
        return script::predict_by_forward(module->module, images, score_threshold,
                                          c10::Device(module->device));
      });
}

detection::ImageBatch DetectorState::transform(const std::vector<detection::ImageView>& images) {
  c10::InferenceMode no_gradients;
  return is_rcnn() ? std::get<DrivenRcnn>(driven_).detector.transform(images)
                   : std::get<DrivenDense>(driven_).detector.transform(images);
}

detection::FeatureMaps DetectorState::backbone(const at::Tensor& batch) {
  c10::InferenceMode no_gradients;
  return drive(
      true, [&](auto& driven, auto& form) { return driven.detector.backbone(form, batch); },
      []() -> detection::FeatureMaps { TORCH_CHECK(false, "the stages are not known"); });
}

detection::RpnOutput DetectorState::rpn(const std::vector<at::Tensor>& features,
                                        const std::vector<ImageSize>& image_sizes,
                                        const ImageSize& batch_size) {
  c10::InferenceMode no_gradients;
  auto& rcnn = std::get<DrivenRcnn>(driven_);
  return rcnn.detector.rpn(network(rcnn, true), features, image_sizes, batch_size);
}

detection::RoiOutput DetectorState::roi_heads(const detection::FeatureMaps& features,
                                              const std::vector<at::Tensor>& proposals,
                                              const std::vector<ImageSize>& image_sizes,
                                              const ImageSize& batch_size) {
  c10::InferenceMode no_gradients;
  auto& rcnn = std::get<DrivenRcnn>(driven_);
  return rcnn.detector.roi_heads(network(rcnn, true), features, proposals, image_sizes, batch_size);
}

detection::DenseOutput DetectorState::head(const std::vector<at::Tensor>& features,
                                           const std::vector<ImageSize>& image_sizes,
                                           const ImageSize& batch_size) {
  c10::InferenceMode no_gradients;
  auto& dense = std::get<DrivenDense>(driven_);
  return dense.detector.head(network(dense, true), features, image_sizes, batch_size);
}

}  // namespace torchdet::binding
