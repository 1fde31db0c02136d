#include "image_batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include <algorithm>

#include "device_batch.h"
#include "image_resize.h"

namespace torchdet::detection {
namespace {

constexpr int64_t kChannels = 3;

void check_pixels(const ImageView& image) {
  TORCH_CHECK(image.channels == 1 || image.channels == 3 || image.channels == 4, image.name,
              " has ", image.channels, " channels; pixels come with 1, 3 or 4");
  TORCH_CHECK(image.width > 0 && image.height > 0, image.name, " is ", image.width, " x ",
              image.height, " pixels (width x height); both must be positive");
  TORCH_CHECK(image.pixels != nullptr, image.name, " has neither pixels nor a tensor");
}

void check_tensor(const at::Tensor& tensor, const std::string& name) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.dim() == 3, name, " is a tensor of ",
              tensor.scalar_type(), " and shape ", tensor.sizes(),
              "; wanted is float32 of shape [channels, height, width]");
  TORCH_CHECK(tensor.size(0) == 1 || tensor.size(0) == kChannels, name, " is a tensor of shape ",
              tensor.sizes(), " with ", tensor.size(0), " channels; wanted are 1 or 3");
  TORCH_CHECK(tensor.numel() > 0, name, " is an empty tensor of shape ", tensor.sizes());
}

ImageSize checked_size(const ImageView& image) {
  if (image.tensor.defined()) {
    check_tensor(image.tensor, image.name);
    return {image.tensor.size(1), image.tensor.size(2)};
  }
  check_pixels(image);
  return {image.height, image.width};
}

Normalization normalization_of(const TransformConfig& config) {
  TORCH_CHECK(config.image_mean.size() == kChannels && config.image_std.size() == kChannels,
              "image_mean and image_std have ", config.image_mean.size(), " and ",
              config.image_std.size(), " numbers; wanted are 3 each");
  Normalization normalization;
  for (int64_t i = 0; i < kChannels; ++i) {
    normalization.mean[i] = static_cast<float>(config.image_mean[i]);
    normalization.std[i] = static_cast<float>(config.image_std[i]);
  }
  if (config.channel_order == ChannelOrder::kBgr) normalization.source = {2, 1, 0};
  return normalization;
}

int64_t min_size_of(size_t index, const TransformConfig& config,
                    const std::vector<int64_t>& min_sizes) {
  if (!min_sizes.empty()) return min_sizes[index];
  return config.min_size.empty() ? 0 : config.min_size.back();
}

ImageSize padded_size(const std::vector<ImageSize>& sizes, int64_t divisible) {
  TORCH_CHECK(divisible > 0, "size_divisible is ", divisible, "; it must be positive");
  ImageSize padded = {0, 0};
  for (const ImageSize& size : sizes) {
    for (size_t axis = 0; axis < 2; ++axis) padded[axis] = std::max(padded[axis], size[axis]);
  }
  for (int64_t& side : padded) side = (side + divisible - 1) / divisible * divisible;
  return padded;
}

// A view as a 1 x C x H x W float tensor on `device`, in 0..1.
at::Tensor to_device(const ImageView& image, c10::Device device) {
  if (image.tensor.defined()) return image.tensor.to(device).unsqueeze(0);
  const at::Tensor pixels =
      at::from_blob(const_cast<uint8_t*>(image.pixels), {image.height, image.width, image.channels},
                    at::TensorOptions().dtype(at::kByte));
  const at::Tensor colours = pixels.to(device).narrow(2, 0, image.channels == 1 ? 1 : kChannels);
  return colours.permute({2, 0, 1}).to(at::kFloat).div_(255).unsqueeze(0);
}

at::Tensor channel_values(const std::array<float, 3>& values, c10::Device device) {
  return at::tensor(at::ArrayRef<float>(values.data(), values.size()))
      .to(device)
      .view({1, 3, 1, 1});
}

// Images that are tensors, or partly, on every device but the CPU.
at::Tensor batch_on_device(const std::vector<ImageView>& images,
                           const std::vector<ImageSize>& sizes, const ImageSize& padded,
                           const Normalization& normalization, c10::Device device) {
  const at::Tensor mean = channel_values(normalization.mean, device);
  const at::Tensor std = channel_values(normalization.std, device);
  const at::Tensor channels =
      at::tensor(at::ArrayRef<int64_t>(normalization.source.data(), kChannels)).to(device);
  at::Tensor batch =
      at::zeros({static_cast<int64_t>(images.size()), kChannels, padded[0], padded[1]},
                at::TensorOptions().dtype(at::kFloat).device(device))
          .contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i < images.size(); ++i) {
    const at::Tensor image = to_device(images[i], device).expand({1, kChannels, -1, -1});
    const at::Tensor normalized = image.index_select(1, channels).sub(mean).div_(std);
    const at::Tensor resized =
        at::upsample_bilinear2d(normalized, {sizes[i][0], sizes[i][1]}, /*align_corners=*/false);
    batch[static_cast<int64_t>(i)]
        .narrow(1, 0, sizes[i][0])
        .narrow(2, 0, sizes[i][1])
        .copy_(resized[0]);
  }
  return batch;
}

at::Tensor batch_on_cpu(const std::vector<ImageView>& images, const std::vector<ImageSize>& sizes,
                        const ImageSize& padded, const Normalization& normalization) {
  at::Tensor batch = at::empty(
      {static_cast<int64_t>(images.size()), kChannels, padded[0], padded[1]},
      at::TensorOptions().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  float* data = batch.mutable_data_ptr<float>();
  for (size_t i = 0; i < images.size(); ++i) {
    ImageView image = images[i];
    if (image.tensor.defined()) image.tensor = image.tensor.cpu().contiguous();
    const int64_t offset = static_cast<int64_t>(i) * padded[0] * padded[1] * kChannels;
    resize_into(image, normalization, {data + offset, sizes[i], padded});
  }
  return batch;
}

}  // namespace

ImageSize resized_size(const ImageSize& size, int64_t min_size, const TransformConfig& config) {
  if (config.fixed_size) return {(*config.fixed_size)[1], (*config.fixed_size)[0]};
  const auto shorter = static_cast<double>(std::min(size[0], size[1]));
  const auto longer = static_cast<double>(std::max(size[0], size[1]));
  const double scale = std::min(static_cast<double>(min_size) / shorter,
                                static_cast<double>(config.max_size) / longer);
  return {static_cast<int64_t>(static_cast<double>(size[0]) * scale),
          static_cast<int64_t>(static_cast<double>(size[1]) * scale)};
}

ImageBatch make_image_batch(const std::vector<ImageView>& images, const TransformConfig& config,
                            c10::Device device, const std::vector<int64_t>& min_sizes) {
  TORCH_CHECK(!images.empty(), "a batch needs at least 1 image, got 0");
  TORCH_CHECK(min_sizes.empty() || min_sizes.size() == images.size(), "got ", min_sizes.size(),
              " sizes for ", images.size(), " images");
  ImageBatch batch;
  for (size_t i = 0; i < images.size(); ++i) {
    const ImageSize original = checked_size(images[i]);
    const ImageSize size = resized_size(original, min_size_of(i, config, min_sizes), config);
    if (size[0] <= 0 || size[1] <= 0) {
      throw ImageError(c10::str(images[i].name, ": ", original[1], " x ", original[0],
                                " pixels (width x height) would be resized to ", size[1], " x ",
                                size[0], "; it is too narrow for a longer side of at most ",
                                config.max_size));
    }
    batch.original_sizes.push_back(original);
    batch.image_sizes.push_back(size);
  }
  const Normalization normalization = normalization_of(config);
  const ImageSize padded = padded_size(batch.image_sizes, config.size_divisible);
  if (device.is_cpu()) {
    batch.tensor = batch_on_cpu(images, batch.image_sizes, padded, normalization);
  } else if (device.is_cuda() && can_upload(images)) {
    batch.tensor = upload_batch(images, batch.image_sizes, padded, normalization, device);
  } else {
    batch.tensor = batch_on_device(images, batch.image_sizes, padded, normalization, device);
  }
  return batch;
}

}  // namespace torchdet::detection
