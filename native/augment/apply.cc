#include "apply.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "colour.h"
#include "window.h"

namespace torchdet::augment {
namespace {

// A channels-last tensor over borrowed interleaved pixels.
at::Tensor as_tensor(const uint8_t* pixels, Size size, int64_t channels) {
  // from_blob takes no pointer to const; sources are only read.
  auto* data = const_cast<uint8_t*>(pixels);
  return at::from_blob(data, {1, channels, size.height, size.width},
                       {size.height * size.width * channels, 1, size.width * channels, channels},
                       at::TensorOptions(at::kByte));
}

void resize(const uint8_t* pixels, Size size, const Resize& step, int64_t channels, uint8_t* out) {
  const std::array<int64_t, 2> target = {step.height, step.width};
  const at::Tensor source = as_tensor(pixels, size, channels);
  const at::Tensor resized =
      channels == 1 ? at::upsample_nearest2d(source, target)
                    : at::_upsample_bilinear2d_aa(source, target, /*align_corners=*/false)
                          .contiguous(at::MemoryFormat::ChannelsLast);
  std::memcpy(out, resized.const_data_ptr<uint8_t>(), resized.nbytes());
}

template <int Channels>
void apply_step(const uint8_t* pixels, Size size, const Step& step, uint8_t* out) {
  if (const auto* window = std::get_if<Window>(&step)) {
    copy_window<Channels>(pixels, size, *window, out);
  } else if (const auto* target = std::get_if<Resize>(&step)) {
    resize(pixels, size, *target, Channels, out);
  } else {
    std::memcpy(out, pixels, size.width * size.height * Channels);
    if (Channels == 3) change_colours(std::get<Colour>(step), out, size.width * size.height);
  }
}

template <int Channels>
void apply(const uint8_t* pixels, Size size, const std::vector<Step>& steps, uint8_t* out) {
  if (steps.empty()) {
    std::memcpy(out, pixels, size.width * size.height * Channels);
    return;
  }
  std::unique_ptr<uint8_t[]> between;  // holds `pixels` from the second step on
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i + 1 == steps.size()) return apply_step<Channels>(pixels, size, steps[i], out);
    const Size next = size_after(steps[i], size);
    std::unique_ptr<uint8_t[]> result(new uint8_t[next.width * next.height * Channels]);
    apply_step<Channels>(pixels, size, steps[i], result.get());
    between = std::move(result);
    pixels = between.get();
    size = next;
  }
}

}  // namespace

void apply_to_image(const uint8_t* pixels, Size size, const std::vector<Step>& steps,
                    uint8_t* out) {
  apply<3>(pixels, size, steps, out);
}

void apply_to_mask(const uint8_t* mask, Size size, const std::vector<Step>& steps, uint8_t* out) {
  std::vector<Step> shapes;
  std::copy_if(steps.begin(), steps.end(), std::back_inserter(shapes),
               [](const Step& step) { return !std::holds_alternative<Colour>(step); });
  apply<1>(mask, size, shapes, out);
}

}  // namespace torchdet::augment
