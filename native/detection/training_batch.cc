#include "training_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/max.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include "box_coder.h"
#include "image_batch.h"
#include "keypoints.h"

namespace torchdet::detection {
namespace {

template <typename... Parts>
void check(bool holds, const Parts&... parts) {
  if (!holds) throw TargetError(c10::str(parts...));
}

void check_shapes(const Target& target, TargetParts parts, const ImageSize& size, size_t index) {
  check(target.boxes.defined() && target.labels.defined(), "the target of image ", index,
        " needs boxes and labels");
  check(target.boxes.scalar_type() == at::kFloat && target.boxes.dim() == 2 &&
            target.boxes.size(1) == 4,
        "the boxes of image ", index, " are ", target.boxes.scalar_type(), " of shape ",
        target.boxes.sizes(), "; wanted is float32 of shape [N, 4]");
  const int64_t count = target.boxes.size(0);
  check(target.labels.scalar_type() == at::kLong && target.labels.dim() == 1 &&
            target.labels.size(0) == count,
        "the labels of image ", index, " are ", target.labels.scalar_type(), " of shape ",
        target.labels.sizes(), "; wanted is int64 of shape [", count, "], one for each box");
  if (parts.masks) {
    check(target.masks.defined(), "the model has a mask branch, but the target of image ", index,
          " has no masks");
    check(target.masks.scalar_type() == at::kByte && target.masks.dim() == 3 &&
              target.masks.size(0) == count && target.masks.size(1) == size[0] &&
              target.masks.size(2) == size[1],
          "the masks of image ", index, " are ", target.masks.scalar_type(), " of shape ",
          target.masks.sizes(), "; wanted is uint8 of shape [", count, ", ", size[0], ", ", size[1],
          "], one of the image's size for each box");
    const int largest = count == 0 ? 0 : at::max(target.masks).item<uint8_t>();
    check(largest <= 1, "the masks of image ", index, " hold ", largest,
          "; a mask's bytes are 0 or 1");
  }
  if (parts.keypoints) {
    check(target.keypoints.defined(), "the model has a keypoint branch, but the target of image ",
          index, " has no keypoints");
    check(target.keypoints.scalar_type() == at::kFloat && target.keypoints.dim() == 3 &&
              target.keypoints.size(0) == count && target.keypoints.size(2) == 3,
          "the keypoints of image ", index, " are ", target.keypoints.scalar_type(), " of shape ",
          target.keypoints.sizes(), "; wanted is float32 of shape [", count,
          ", keypoints, 3]: x, y, visibility");
  }
}

// Also false for NaN, which torchvision lets pass.
void check_boxes(const at::Tensor& boxes, const at::Tensor& given, size_t index) {
  const at::Tensor good = boxes.narrow(1, 2, 2)
                              .gt(boxes.narrow(1, 0, 2))
                              .all(/*dim=*/1)
                              .logical_and_(boxes.isfinite().all(/*dim=*/1));
  const at::Tensor bad = at::nonzero(good.logical_not_()).squeeze(1);
  if (bad.numel() == 0) return;
  const auto box = bad[0].item<int64_t>();
  const at::Tensor sides = given[box].cpu();
  const float* side = sides.const_data_ptr<float>();
  check(false, "box ", box, " of image ", index, " is [", side[0], ", ", side[1], ", ", side[2],
        ", ", side[3],
        "]; all boxes must be finite, with x2 > x1 and y2 > y1, also once resized to the model's "
        "size");
}

at::Tensor resize_masks(const at::Tensor& masks, const ImageSize& size) {
  if (masks.size(0) == 0) return at::empty({0, size[0], size[1]}, masks.options());
  if (masks.size(1) == size[0] && masks.size(2) == size[1]) return masks;
  return at::upsample_nearest2d(masks.unsqueeze(0), {size[0], size[1]}).squeeze(0);
}

Target resize_target(const Target& target, TargetParts parts, const ImageSize& from,
                     const ImageSize& to, c10::Device device) {
  Target resized;
  resized.boxes = resize_boxes(target.boxes.to(device), from, to);
  resized.labels = target.labels.to(device);
  resized.labelled_classes = target.labelled_classes;
  if (parts.masks) resized.masks = resize_masks(target.masks.to(device), to);
  if (parts.keypoints) resized.keypoints = resize_keypoints(target.keypoints.to(device), from, to);
  return resized;
}

// As torchvision draws them: a float32 uniform number per image, also where there is no choice.
std::vector<int64_t> draw_min_sizes(size_t images, const TransformConfig& config,
                                    const at::Generator& generator) {
  const auto choices = static_cast<double>(config.min_size.size());
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < images; ++i) {
    const auto drawn =
        at::empty({1}, at::TensorOptions().dtype(at::kFloat)).uniform_(0, choices, generator);
    sizes.push_back(
        config.min_size.empty() ? 0 : config.min_size[static_cast<size_t>(drawn.item<float>())]);
  }
  return sizes;
}

}  // namespace

TrainingBatch make_training_batch(const std::vector<ImageView>& images,
                                  const std::vector<Target>& targets, TargetParts parts,
                                  const TransformConfig& config, c10::Device device,
                                  at::Generator generator) {
  check(images.size() == targets.size(), "got ", images.size(), " images and ", targets.size(),
        " targets");
  TrainingBatch batch;
  const std::vector<int64_t> min_sizes = draw_min_sizes(images.size(), config, generator);
  batch.images = make_image_batch(images, config, device, min_sizes);
  for (size_t i = 0; i < targets.size(); ++i) {
    check_shapes(targets[i], parts, batch.images.original_sizes[i], i);
    batch.targets.push_back(resize_target(targets[i], parts, batch.images.original_sizes[i],
                                          batch.images.image_sizes[i], device));
    check_boxes(batch.targets[i].boxes, targets[i].boxes, i);
  }
  return batch;
}

void check_labels(const std::vector<Target>& targets, int64_t first, int64_t end) {
  for (size_t i = 0; i < targets.size(); ++i) {
    const at::Tensor& labels = targets[i].labels;
    const at::Tensor bad = at::nonzero(labels.lt(first).logical_or_(labels.ge(end))).squeeze(1);
    if (bad.numel() == 0) continue;
    const auto box = bad[0].item<int64_t>();
    check(false, "box ", box, " of image ", i, " has label ", labels[box].item<int64_t>(),
          "; this model's labels are ", first, " to ", end - 1);
  }
}

}  // namespace torchdet::detection
