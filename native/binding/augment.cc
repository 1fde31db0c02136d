#include "augment.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "../augment/apply.h"
#include "../detection/serial_scope.h"
#include "calls.h"

namespace torchdet::binding {
namespace {

using augment::Size;
using augment::Step;

int64_t whole(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber())
    throw CodedError("ERR_INVALID_ARGUMENT", std::string("augment: ") + name + " must be a number");
  return value.As<Napi::Number>().Int64Value();
}

std::optional<double> factor(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) return std::nullopt;
  return value.As<Napi::Number>().DoubleValue();
}

augment::Colour to_colour(const Napi::Object& object) {
  augment::Colour colour;
  colour.brightness = factor(object, "brightness");
  colour.contrast = factor(object, "contrast");
  colour.saturation = factor(object, "saturation");
  colour.hue = factor(object, "hue");
  colour.contrast_first = object.Get("contrastFirst").ToBoolean();
  const auto channels = integers(object.Get("channels"), "channels");
  const auto is_channel = [](int64_t channel) { return channel >= 0 && channel < 3; };
  if (channels.size() != 3 || !std::all_of(channels.begin(), channels.end(), is_channel))
    throw CodedError("ERR_INVALID_ARGUMENT", "augment: channels must be three of 0, 1, 2");
  std::copy(channels.begin(), channels.end(), colour.channels.begin());
  return colour;
}

augment::Window to_window(const Napi::Object& object) {
  augment::Window window;
  window.left = whole(object, "left");
  window.top = whole(object, "top");
  window.width = whole(object, "width");
  window.height = whole(object, "height");
  window.flip = object.Get("flip").ToBoolean();
  const auto fill = integers(object.Get("fill"), "fill");
  if (fill.size() != 3)
    throw CodedError("ERR_INVALID_ARGUMENT", "augment: fill must be three numbers");
  std::copy(fill.begin(), fill.end(), window.fill.begin());
  return window;
}

Step to_step(const Napi::Object& object) {
  const std::string type = object.Get("type").ToString();
  if (type == "colour") return to_colour(object);
  if (type == "window") return to_window(object);
  if (type == "resize") return augment::Resize{whole(object, "width"), whole(object, "height")};
  throw CodedError("ERR_INVALID_ARGUMENT", "augment: unknown step \"" + type + "\"");
}

std::vector<Step> to_steps(const Napi::Value& value) {
  const Napi::Array list = value.As<Napi::Array>();
  std::vector<Step> steps;
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Value item = list.Get(i);
    steps.push_back(to_step(item.As<Napi::Object>()));
    if (const Size size = size_after(steps.back(), {1, 1}); size.width < 1 || size.height < 1)
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "augment: step " + std::to_string(i) + " leaves no pixels");
  }
  return steps;
}

void check_length(const char* what, const MemoryView& memory, size_t wanted) {
  if (memory.byte_length == wanted) return;
  throw CodedError("ERR_INVALID_ARGUMENT", std::string("augment: ") + what + " must have " +
                                               std::to_string(wanted) + " bytes, got " +
                                               std::to_string(memory.byte_length));
}

// Everything one call works on; JavaScript's memory is borrowed.
struct Task {
  const uint8_t* image;
  const uint8_t* masks = nullptr;
  Size size;
  std::vector<int64_t> kept;
  std::vector<Step> steps;
  uint8_t* out_image;
  uint8_t* out_masks = nullptr;

  void run(const std::function<void()>& checkpoint) const {
    apply_to_image(image, size, steps, out_image);
    if (masks == nullptr) return;
    const Size after = size_after(steps, size);
    for (size_t k = 0; k < kept.size(); ++k) {
      checkpoint();
      apply_to_mask(masks + kept[k] * size.width * size.height, size, steps,
                    out_masks + static_cast<int64_t>(k) * after.width * after.height);
    }
  }
};

Task to_task(const Napi::CallbackInfo& info) {
  const Napi::Object image = info[0].As<Napi::Object>();
  const Napi::Object out = info[4].As<Napi::Object>();
  Task task;
  task.size = {whole(image, "width"), whole(image, "height")};
  task.steps = to_steps(info[3]);
  const Size after = size_after(task.steps, task.size);
  const MemoryView pixels = memory_of(image.Get("data"));
  const MemoryView out_pixels = memory_of(out.Get("image"));
  check_length("the image", pixels, task.size.width * task.size.height * 3);
  check_length("the image's result", out_pixels, after.width * after.height * 3);
  task.image = pixels.data;
  task.out_image = out_pixels.data;
  if (info[1].IsNull()) return task;
  const MemoryView masks = memory_of(info[1]);
  const MemoryView out_masks = memory_of(out.Get("masks"));
  const int64_t area = task.size.width * task.size.height;
  task.kept = integers(info[2], "kept");
  for (const int64_t index : task.kept) {
    if (index < 0 || static_cast<size_t>((index + 1) * area) > masks.byte_length)
      throw CodedError("ERR_INVALID_ARGUMENT",
                       "augment: there is no mask " + std::to_string(index));
  }
  check_length("the masks' result", out_masks, task.kept.size() * after.width * after.height);
  task.masks = masks.data;
  task.out_masks = out_masks.data;
  return task;
}

}  // namespace

Napi::Value augment_pixels(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    JobOptions options;
    const Napi::Object image = info[0].As<Napi::Object>();
    const Napi::Object out = info[4].As<Napi::Object>();
    // The arrays themselves: objects around them may change.
    options.hold = {image.Get("data"), out.Get("image")};
    if (!info[1].IsNull()) {
      options.hold.push_back(info[1]);
      options.hold.push_back(out.Get("masks"));
    }
    return run_on_device(
        Environment::of(info.Env()), "augment:" + std::to_string(info[5].ToNumber().Int32Value()),
        [task = to_task(info)](const std::function<void()>& checkpoint) {
          c10::InferenceMode no_gradients;
          // One thread an image: images are what is done in parallel.
          detection::SerialScope serial;
          task.run(checkpoint);
          return Done{};
        },
        done_to_js, options);
  });
}

}  // namespace torchdet::binding
