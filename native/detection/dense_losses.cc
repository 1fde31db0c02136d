#include "dense_losses.h"

#include <c10/util/Exception.h>

#include "fcos_losses.h"
#include "retinanet_losses.h"
#include "ssd_losses.h"
#include "training_batch.h"

namespace torchdet::detection {
namespace {

// Mixed precision ends at the head, as GIoU and sums over all places need float32.
DenseOutputs in_float(const DenseOutputs& outputs) {
  const auto convert = [](const at::Tensor& tensor) {
    const bool reduced = tensor.defined() && c10::isReducedFloatingType(tensor.scalar_type());
    return reduced ? tensor.to(at::kFloat) : tensor;
  };
  return {convert(outputs.cls_logits), convert(outputs.bbox_regression),
          convert(outputs.bbox_ctrness)};
}

}  // namespace

Losses dense_losses(const DenseOutputs& given, const DensePlaces& places,
                    const std::vector<Target>& targets, const DenseConfig& config) {
  const DenseOutputs outputs = in_float(given);
  const int64_t classes = outputs.cls_logits.size(2);
  switch (config.head) {
    case DenseHead::kRetinaNet:
      check_labels(targets, 0, classes);
      return retinanet_losses(outputs, places, targets, config);
    case DenseHead::kFcos:
      check_labels(targets, 0, classes);
      return fcos_losses(outputs, places, targets, config);
    case DenseHead::kFcosOriginal:
      check_labels(targets, 1, classes + 1);
      return fcos_original_losses(outputs, places, targets, config);
    case DenseHead::kSsd:
      check_labels(targets, 1, classes);
      return ssd_losses(outputs, places, targets, config);
  }
  TORCH_CHECK(false, "unknown dense head");
}

}  // namespace torchdet::detection
