// Images going in and detections coming out of the detection code. An ImageView borrows its pixels:
// whoever made it keeps them alive and unchanged until the call returns. Detections own their
// tensors.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace torchdet::detection {

struct ImageView {
  // Interleaved uint8 pixels (1, 3 or 4 channels; alpha is ignored, grey is repeated), or null
  // where `tensor` is used.
  const uint8_t* pixels = nullptr;
  int64_t width = 0;
  int64_t height = 0;
  int64_t channels = 0;
  // CHW float32 in 0..1, any device, 3 channels (or 1, which is repeated).
  at::Tensor tensor;
  // What messages call it.
  std::string name = "an image";
};

// An image that the model cannot take, whoever gave it.
class ImageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

using ImageSize = std::array<int64_t, 2>;  // height, width

struct ImageBatch {
  at::Tensor tensor;                      // N x 3 x H x W, channels last, normalised, zero-padded
  std::vector<ImageSize> image_sizes;     // after resizing, before padding
  std::vector<ImageSize> original_sizes;  // as they came in
};

struct Detections {
  at::Tensor boxes;   // N x 4 float32, xyxy in pixels of the original image
  at::Tensor labels;  // N int64
  at::Tensor scores;  // N float32
  // Undefined where the model has no such branch.
  at::Tensor masks;             // N x 1 x H x W float32 in 0..1
  at::Tensor keypoints;         // N x K x 3: x, y, visibility
  at::Tensor keypoints_scores;  // N x K
};

// What an image is trained towards.
struct Target {
  at::Tensor boxes;   // N x 4 float32, xyxy in pixels of the image as it came in
  at::Tensor labels;  // N int64
  // Undefined where there are none.
  at::Tensor masks;      // N x H x W uint8, 0 or 1
  at::Tensor keypoints;  // N x K x 3 float32: x, y, visibility
  // Labels whose objects are all marked in this image; nothing: every label's. A place without a
  // box is no negative example of the others.
  std::optional<std::vector<int64_t>> labelled_classes;
};

// Scalar tensors by torchvision's names, in the order of its dictionaries.
using Losses = std::vector<std::pair<std::string, at::Tensor>>;

// Called between stages; throws to stop (a cancelled call, a closing process). Empty: nothing to
// ask.
using Checkpoint = std::function<void()>;

struct TrainingContext {
  // Of the CPU, for any device: draws the images' sizes and then the samples, in torchvision's
  // order.
  at::Generator generator;
  Checkpoint checkpoint;
};

// A target that cannot be trained towards; the message names image and box.
class TargetError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace torchdet::detection
