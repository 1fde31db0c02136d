#include "device_batch.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace torchdet::detection {
namespace {

// offset, height, width, channels, height and width in the batch (cuda/kernels/image_batch.h)
constexpr int64_t kNumbers = 6;

int64_t bytes_of(const ImageView& image) { return image.height * image.width * image.channels; }

}  // namespace

bool can_upload(const std::vector<ImageView>& images) {
  return std::none_of(images.begin(), images.end(),
                      [](const ImageView& image) { return image.tensor.defined(); });
}

at::Tensor pack_images(const std::vector<ImageView>& images, const std::vector<ImageSize>& sizes,
                       bool pinned) {
  int64_t offset = static_cast<int64_t>(images.size() * kNumbers * sizeof(int64_t));
  std::vector<int64_t> table;
  for (size_t i = 0; i < images.size(); ++i) {
    const ImageView& image = images[i];
    table.insert(table.end(),
                 {offset, image.height, image.width, image.channels, sizes[i][0], sizes[i][1]});
    offset += bytes_of(image);
  }
  at::Tensor packed =
      at::empty({offset}, at::TensorOptions().dtype(at::kByte).pinned_memory(pinned));
  auto* bytes = packed.mutable_data_ptr<uint8_t>();
  std::memcpy(bytes, table.data(), table.size() * sizeof(int64_t));
  for (size_t i = 0; i < images.size(); ++i)
    std::memcpy(bytes + table[i * kNumbers], images[i].pixels, bytes_of(images[i]));
  return packed;
}

at::Tensor upload_batch(const std::vector<ImageView>& images, const std::vector<ImageSize>& sizes,
                        const ImageSize& padded, const Normalization& normalization,
                        c10::Device device) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("torchdet::fill_batch", "")
          .typed<at::Tensor(const at::Tensor&, int64_t, int64_t, int64_t, at::ArrayRef<double>,
                            at::ArrayRef<double>, at::IntArrayRef)>();
  const at::Tensor packed = pack_images(images, sizes, /*pinned=*/true);
  const std::vector<double> mean(normalization.mean.begin(), normalization.mean.end());
  const std::vector<double> std(normalization.std.begin(), normalization.std.end());
  return op.call(packed.to(device, at::kByte, /*non_blocking=*/true),
                 static_cast<int64_t>(images.size()), padded[0], padded[1], mean, std,
                 normalization.source);
}

}  // namespace torchdet::detection
