#include "images.h"

#include <cstring>

#include "calls.h"
#include "tensor.h"

namespace torchdet::binding {
namespace {

detection::ImageView to_image(const Napi::Value& value, const std::string& where) {
  detection::ImageView image;
  image.name = where;
  if (TensorObject::is_tensor(value)) {
    image.tensor = TensorObject::unwrap(value);
    if (image.tensor.dim() != 3) {
      throw CodedError("ERR_INVALID_ARGUMENT",
                       where +
                           ": an image tensor has 3 dimensions (channels, height, width), got " +
                           std::to_string(image.tensor.dim()));
    }
    image.channels = image.tensor.size(0);
    image.height = image.tensor.size(1);
    image.width = image.tensor.size(2);
    return image;
  }
  if (!value.IsObject())
    throw CodedError("ERR_INVALID_ARGUMENT", where + " must be pixels or a tensor");
  const Napi::Object object = value.As<Napi::Object>();
  const MemoryView memory = memory_of(object.Get("data"));
  image.pixels = memory.data;
  image.width = object.Get("width").ToNumber().Int64Value();
  image.height = object.Get("height").ToNumber().Int64Value();
  image.channels = object.Get("channels").ToNumber().Int64Value();
  const bool sane = image.width > 0 && image.height > 0 && image.channels > 0;
  if (!sane ||
      memory.byte_length != static_cast<size_t>(image.width * image.height * image.channels)) {
    throw CodedError("ERR_INVALID_ARGUMENT", where + ": " + std::to_string(image.width) + "x" +
                                                 std::to_string(image.height) + " pixels with " +
                                                 std::to_string(image.channels) +
                                                 " channels do not fit " +
                                                 std::to_string(memory.byte_length) + " bytes");
  }
  return image;
}

template <typename Array, typename Element>
Array packed(Napi::Env env, const at::Tensor& tensor, c10::ScalarType type) {
  const at::Tensor values = tensor.detach().to(at::kCPU, type).contiguous();
  Array array = Array::New(env, static_cast<size_t>(values.numel()));
  std::memcpy(array.Data(), values.const_data_ptr<Element>(), values.nbytes());
  return array;
}

}  // namespace

std::vector<detection::ImageView> to_images(const Napi::Value& list) {
  if (!list.IsArray()) throw CodedError("ERR_INVALID_ARGUMENT", "images must be an array");
  const Napi::Array array = list.As<Napi::Array>();
  std::vector<detection::ImageView> images;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    images.push_back(to_image(array.Get(i), "images[" + std::to_string(i) + "]"));
  }
  return images;
}

std::vector<detection::ImageSize> to_sizes(const Napi::Value& list) {
  if (!list.IsArray()) throw CodedError("ERR_INVALID_ARGUMENT", "image sizes must be an array");
  const Napi::Array array = list.As<Napi::Array>();
  std::vector<detection::ImageSize> sizes;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto size = integers(array.Get(i), "an image size");
    if (size.size() != 2)
      throw CodedError("ERR_INVALID_ARGUMENT", "an image size is [height, width]");
    sizes.push_back({size[0], size[1]});
  }
  return sizes;
}

Napi::Object to_js(Napi::Env env, const detection::Detections& detections,
                   const detection::ImageSize& size) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("height", static_cast<double>(size[0]));
  result.Set("width", static_cast<double>(size[1]));
  result.Set("boxes", packed<Napi::Float32Array, float>(env, detections.boxes, at::kFloat));
  result.Set("labels", packed<Napi::Int32Array, int32_t>(env, detections.labels, at::kInt));
  result.Set("scores", packed<Napi::Float32Array, float>(env, detections.scores, at::kFloat));
  if (detections.masks.defined()) result.Set("masks", TensorObject::wrap(env, detections.masks));
  if (detections.keypoints.defined()) {
    result.Set("keypoints",
               packed<Napi::Float32Array, float>(env, detections.keypoints, at::kFloat));
  }
  if (detections.keypoints_scores.defined()) {
    result.Set("keypointsScores",
               packed<Napi::Float32Array, float>(env, detections.keypoints_scores, at::kFloat));
  }
  return result;
}

}  // namespace torchdet::binding
