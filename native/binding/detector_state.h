// What a detector runs: touched on the device's thread only, but for the questions about its kind.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "../detection/dense_detector.h"
#include "../detection/generalized_rcnn.h"
#include "../script/precision.h"
#include "../script/quantize_observer.h"
#include "../training/step.h"
#include "module_state.h"

namespace torchdet::binding {

// A detection algorithm and the forms of the network it drives, each made when first asked for. The
// compiled form is made anew when the module's weights have changed.
template <typename DetectorType, typename NetworkType>
struct Driven {
  using Detector = DetectorType;
  using Network = NetworkType;

  Detector detector;
  std::unique_ptr<Network> exact;
  std::unique_ptr<Network> training;
  std::unique_ptr<Network> compiled;
  std::unique_ptr<typename Detector::Replays> replays;  // of `compiled`
  std::unique_ptr<Network> observing;
  uint64_t compiled_version = 0;
};
using DrivenRcnn = Driven<detection::GeneralizedRcnn, detection::RcnnNetwork>;
using DrivenDense = Driven<detection::DenseDetector, detection::DenseNetwork>;

// The form that predict runs where it is not exact.
std::unique_ptr<detection::RcnnNetwork> make_compiled(const DrivenRcnn& driven,
                                                      const torch::jit::Module& module,
                                                      const script::PrecisionPlan& plan);
std::unique_ptr<detection::DenseNetwork> make_compiled(const DrivenDense& driven,
                                                       const torch::jit::Module& module,
                                                       const script::PrecisionPlan& plan);

class DetectorState {
 public:
  DetectorState(std::shared_ptr<ModuleState> module_state,
                std::optional<detection::DetectionConfig> config);

  bool is_rcnn() const { return std::holds_alternative<DrivenRcnn>(driven_); }
  bool is_dense() const { return std::holds_alternative<DrivenDense>(driven_); }

  std::vector<detection::Detections> predict(const std::vector<detection::ImageView>& images,
                                             double score_threshold, bool exact,
                                             const detection::Checkpoint& checkpoint);

  // How predict runs: `padded` without waiting for the device (the default but on the CPU),
  // `replays` with the device's work recorded, where it is padded and not exact.
  void set_running(bool padded, bool replays);

  // In what numbers predict computes where it is not exact, from the next call on. A calibration
  // stays until another is given. In detector_state_precision.cc, as all of these.
  void set_precision(script::Precision precision, std::optional<script::Calibration> calibration);
  // Detects, and measures activations; throws where weights have changed since the first images.
  void observe(const std::vector<detection::ImageView>& images,
               const detection::Checkpoint& checkpoint);
  // Of all images observed since the last one.
  script::Calibration calibration(script::RangeMethod method);
  // Whether the weights are those it was measured with.
  bool calibration_fits(const script::Calibration& calibration);

  // The single stages, always exact; each throws where the detector is of another kind.
  detection::ImageBatch transform(const std::vector<detection::ImageView>& images);
  detection::FeatureMaps backbone(const at::Tensor& batch);
  detection::RpnOutput rpn(const std::vector<at::Tensor>& features,
                           const std::vector<detection::ImageSize>& image_sizes,
                           const detection::ImageSize& batch_size);
  detection::RoiOutput roi_heads(const detection::FeatureMaps& features,
                                 const std::vector<at::Tensor>& proposals,
                                 const std::vector<detection::ImageSize>& image_sizes,
                                 const detection::ImageSize& batch_size);
  detection::DenseOutput head(const std::vector<at::Tensor>& features,
                              const std::vector<detection::ImageSize>& image_sizes,
                              const detection::ImageSize& batch_size);

  // Training, for detectors with stages; the module is in training mode during the call and back in
  // evaluation when next asked to detect. `seed`, where given, is set before the first draw. Throw
  // TargetError and NotFiniteError.
  // The losses alone: nothing of the module is changed.
  training::LossValues measure(const std::vector<detection::ImageView>& images,
                               const std::vector<detection::Target>& targets,
                               std::optional<uint64_t> seed,
                               const detection::Checkpoint& checkpoint);
  training::StepResult train_step(const std::vector<detection::ImageView>& images,
                                  const std::vector<detection::Target>& targets,
                                  training::Optimizer& optimizer, std::optional<uint64_t> seed,
                                  const training::StepOptions& options,
                                  const detection::Checkpoint& checkpoint,
                                  const std::function<void(training::Optimizer&)>& exchange = {});

  const std::shared_ptr<ModuleState> module;

 private:
  struct ForwardOnly {};  // an archive of unknown structure: it runs through its own forward

  struct Observation {
    script::ActivationObserver observer;
    std::string weights;
  };

  // The plan of the compiled form; throws where the calibration was made for other weights.
  script::PrecisionPlan plan();
  void drop_forms();
  const std::string& fingerprint();

  template <typename AnyDriven>
  typename AnyDriven::Network& network(AnyDriven& driven, bool exact);
  // In training mode, with the caller's gradient mode.
  detection::Losses losses(const std::vector<detection::ImageView>& images,
                           const std::vector<detection::Target>& targets,
                           std::optional<uint64_t> seed, const detection::Checkpoint& checkpoint);
  // `run` with what is driven and its network in the given form, on whichever kind it is;
  // `otherwise` where there is none.
  template <typename Run, typename Otherwise>
  auto drive(bool exact, Run run, Otherwise otherwise) -> decltype(otherwise());

  std::variant<ForwardOnly, DrivenRcnn, DrivenDense> driven_;
  bool padded_;
  bool replays_ = false;
  script::Precision precision_ = script::Precision::kFloat32;
  std::optional<script::Calibration> calibration_;
  std::unique_ptr<Observation> observation_;
  std::string fingerprint_;
  std::optional<uint64_t> fingerprint_version_;
};

}  // namespace torchdet::binding
