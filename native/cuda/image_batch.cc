#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>

#include "kernels/image_batch.h"
#include "launch.h"
#include "operators.h"

namespace torchdet::cuda {

at::Tensor fill_batch(const at::Tensor& packed, int64_t images, int64_t height, int64_t width,
                      at::ArrayRef<double> mean, at::ArrayRef<double> std, at::IntArrayRef source) {
  const int64_t table = images * static_cast<int64_t>(sizeof(PackedImage));
  TORCH_CHECK(packed.scalar_type() == at::kByte && packed.dim() == 1 && packed.is_contiguous() &&
                  packed.size(0) >= table,
              "fill_batch: packed must be contiguous uint8 with a table of ", images,
              " images, got ", packed.scalar_type(), " of shape ", packed.sizes());
  TORCH_CHECK(images > 0 && height > 0 && width > 0,
              "fill_batch: the batch would be empty: ", images, " images of ", height, " x ",
              width);
  TORCH_CHECK(mean.size() == 3 && std.size() == 3 && source.size() == 3,
              "fill_batch: mean, std and source have 3 numbers each");
  const c10::DeviceGuard guard(packed.device());
  at::Tensor batch =
      at::empty({images, 3, height, width},
                packed.options().dtype(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  FillBatch kernel = {};
  kernel.bytes = packed.const_data_ptr<uint8_t>();
  kernel.images = reinterpret_cast<const PackedImage*>(kernel.bytes);
  kernel.height = height;
  kernel.width = width;
  for (size_t c = 0; c < 3; ++c) {
    TORCH_CHECK(source[c] >= 0 && source[c] < 3, "fill_batch: there is no channel ", source[c]);
    kernel.mean[c] = static_cast<float>(mean[c]);
    kernel.std[c] = static_cast<float>(std[c]);
    kernel.source[c] = source[c];
  }
  kernel.out = batch.mutable_data_ptr<float>();
  launch(kernel, images * height * width);
  return batch;
}

}  // namespace torchdet::cuda
