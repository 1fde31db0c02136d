// DetectorState's precision: measuring activations, and what the compiled form is made for.
#include <c10/core/InferenceMode.h>

#include "detector_state.h"
#include "errors.h"

namespace torchdet::binding {
const std::string& DetectorState::fingerprint() {
  const uint64_t version = module->version.load();
  if (fingerprint_version_ != version) {
    fingerprint_ = script::weights_fingerprint(module->module);
    fingerprint_version_ = version;
  }
  return fingerprint_;
}

bool DetectorState::calibration_fits(const script::Calibration& calibration) {
  return calibration.weights == fingerprint();
}

script::PrecisionPlan DetectorState::plan() {
  if (precision_ != script::Precision::kInt8) return {precision_, nullptr, nullptr};
  if (!calibration_)
    throw CodedError("ERR_CALIBRATION", "int8 needs a calibration: call calibrate() with images.");
  if (!calibration_fits(*calibration_)) {
    throw CodedError("ERR_CALIBRATION",
                     "The weights have changed since they were calibrated for int8: calibrate "
                     "again, or go back with setPrecision('float32').");
  }
  return {precision_, &*calibration_, nullptr};
}

void DetectorState::drop_forms() {
  const auto drop = [](auto& driven) {
    driven.replays.reset();
    driven.compiled.reset();
  };
  if (auto* rcnn = std::get_if<DrivenRcnn>(&driven_)) drop(*rcnn);
  if (auto* dense = std::get_if<DrivenDense>(&driven_)) drop(*dense);
}

void DetectorState::set_precision(script::Precision precision,
                                  std::optional<script::Calibration> calibration) {
  if (calibration && !calibration_fits(*calibration)) {
    throw CodedError("ERR_CALIBRATION",
                     "The calibration was made for other weights than this detector has.");
  }
  if (precision == script::Precision::kInt8 && !calibration && !calibration_)
    throw CodedError("ERR_CALIBRATION", "int8 needs a calibration: call calibrate() with images.");
  if (calibration) calibration_ = std::move(calibration);
  precision_ = precision;
  drop_forms();
}

void DetectorState::observe(const std::vector<detection::ImageView>& images,
                            const detection::Checkpoint& checkpoint) {
  const auto run = [&](auto& driven) {
    if (module->module.is_training()) module->module.eval();
    if (!observation_) {
      c10::InferenceMode ordinary(false);
      c10::AutoGradMode no_gradients(false);
      auto observation = std::make_unique<Observation>();
      observation->weights = fingerprint();
      driven.observing = make_compiled(
          driven, module->module, {script::Precision::kFloat32, nullptr, &observation->observer});
      observation_ = std::move(observation);
    }
    if (observation_->weights != fingerprint()) {
      observation_.reset();
      driven.observing.reset();
      throw CodedError("ERR_CALIBRATION",
                       "The weights changed while their activations were measured.");
    }
    c10::InferenceMode no_gradients;
    const script::ActivationObserver::Scope scope(observation_->observer);
    driven.detector.predict(*driven.observing, images, 0, checkpoint);
  };
  if (auto* rcnn = std::get_if<DrivenRcnn>(&driven_)) return run(*rcnn);
  if (auto* dense = std::get_if<DrivenDense>(&driven_)) return run(*dense);
  throw CodedError("ERR_ARCHIVE_UNSUPPORTED",
                   "This model runs through its archive's own forward, in float32 only.");
}

script::Calibration DetectorState::calibration(script::RangeMethod method) {
  if (!observation_) throw CodedError("ERR_CALIBRATION", "There were no images to calibrate on.");
  if (auto* rcnn = std::get_if<DrivenRcnn>(&driven_)) rcnn->observing.reset();
  if (auto* dense = std::get_if<DrivenDense>(&driven_)) dense->observing.reset();
  const std::unique_ptr<Observation> observation = std::move(observation_);
  return {observation->weights, observation->observer.ranges(method)};
}

}  // namespace torchdet::binding
