#include "forward_detector.h"

#include <ATen/ops/from_blob.h>

namespace torchdet::script {
namespace {

// CHW float32 in 0..1, the form in which torchvision's detectors take an image.
at::Tensor to_image_tensor(const detection::ImageView& image, c10::Device device) {
  if (image.tensor.defined()) return image.tensor.to(device);
  // The pixels are only read; from_blob has no const form.
  at::Tensor pixels =
      at::from_blob(const_cast<uint8_t*>(image.pixels), {image.height, image.width, image.channels},
                    at::TensorOptions().dtype(at::kByte));
  pixels = pixels.permute({2, 0, 1});
  if (image.channels == 1) pixels = pixels.expand({3, image.height, image.width});
  if (image.channels == 4) pixels = pixels.narrow(0, 0, 3);
  return pixels.to(device).to(at::kFloat).contiguous().div_(255);
}

struct QuietWarnings : public c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

at::Tensor tensor_at(const c10::impl::GenericDict& entry, const char* name) {
  const auto found = entry.find(name);
  return found == entry.end() ? at::Tensor() : found->value().toTensor();
}

detection::Detections unpack(const c10::impl::GenericDict& entry, double score_threshold) {
  detection::Detections result;
  result.boxes = tensor_at(entry, "boxes");
  result.labels = tensor_at(entry, "labels");
  result.scores = tensor_at(entry, "scores");
  TORCH_CHECK(result.boxes.defined() && result.labels.defined() && result.scores.defined(),
              "the archive's detections must have 'boxes', 'labels' and 'scores'");
  result.masks = tensor_at(entry, "masks");
  result.keypoints = tensor_at(entry, "keypoints");
  result.keypoints_scores = tensor_at(entry, "keypoints_scores");
  const at::Tensor keep = result.scores.ge(score_threshold).nonzero().squeeze(1);
  if (keep.size(0) == result.scores.size(0)) return result;
  for (at::Tensor* tensor : {&result.boxes, &result.labels, &result.scores, &result.masks,
                             &result.keypoints, &result.keypoints_scores}) {
    if (tensor->defined()) *tensor = tensor->index_select(0, keep);
  }
  return result;
}

}  // namespace

std::vector<detection::Detections> predict_by_forward(
    torch::jit::Module& module, const std::vector<detection::ImageView>& images,
    double score_threshold, c10::Device device) {
  std::vector<at::Tensor> inputs;
  inputs.reserve(images.size());
  for (const auto& image : images) inputs.push_back(to_image_tensor(image, device));
  // Scripted torchvision models warn that they return losses too: true, and nothing a user could
  // change.
  QuietWarnings quiet;
  c10::WarningUtils::WarningHandlerGuard guard(&quiet);
  c10::IValue output = module.forward({inputs});
  if (output.isTuple()) output = c10::IValue(output.toTupleRef().elements().back());
  const auto entries = output.toListRef();
  TORCH_CHECK(entries.size() == images.size(), "the archive returned ", entries.size(),
              " results for ", images.size(), " images");
  std::vector<detection::Detections> results;
  results.reserve(entries.size());
  for (const c10::IValue& entry : entries)
    results.push_back(unpack(entry.toGenericDict(), score_threshold));
  return results;
}

}  // namespace torchdet::script
