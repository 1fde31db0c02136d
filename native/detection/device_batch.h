// The path from pixels to the batch on a GPU: all pixels of a batch in one upload from pinned
// memory, which the host does not wait for, and one kernel (native/cuda) that normalises, resizes
// and pads. Owns nothing.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <vector>

#include "image_resize.h"
#include "types.h"

namespace torchdet::detection {

// Whether the images are pixels all, and not tensors.
bool can_upload(const std::vector<ImageView>& images);

// The table of images and their pixels, one after the other: the first argument of
// torchdet::fill_batch. In pinned memory where `pinned`.
at::Tensor pack_images(const std::vector<ImageView>& images, const std::vector<ImageSize>& sizes,
                       bool pinned);

// N x 3 x padded float32 on `device`, channels last; image i is resized to sizes[i].
at::Tensor upload_batch(const std::vector<ImageView>& images, const std::vector<ImageSize>& sizes,
                        const ImageSize& padded, const Normalization& normalization,
                        c10::Device device);

}  // namespace torchdet::detection
