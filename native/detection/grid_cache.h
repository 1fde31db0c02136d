// The grids a generator of anchors, default boxes or points made last, so that a run of equally
// sized batches computes them once. Owned by its generator; use it from one thread at a time.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <list>
#include <vector>

#include "types.h"

namespace torchdet::detection {

class GridCache {
 public:
  // What `make` gives for these sizes: remembered, or made now. Do not write to it.
  template <typename Make>
  at::Tensor get(const std::vector<ImageSize>& grid_sizes, const ImageSize& batch_size,
                 c10::Device device, Make make) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->grid_sizes == grid_sizes && entry->batch_size == batch_size &&
          entry->device == device) {
        entries_.splice(entries_.begin(), entries_, entry);
        return entries_.front().grid;
      }
    }
    // What is made while predicting may serve training later, so it must not consist of inference
    // tensors.
    const c10::InferenceMode ordinary_tensors(false);
    entries_.push_front({grid_sizes, batch_size, device, make()});
    if (entries_.size() > kCapacity) entries_.pop_back();
    return entries_.front().grid;
  }

 private:
  // A grid for a 800 x 1088 image is 3.5 MB.
  static constexpr size_t kCapacity = 8;

  struct Entry {
    std::vector<ImageSize> grid_sizes;
    ImageSize batch_size;
    c10::Device device;
    at::Tensor grid;
  };

  std::list<Entry> entries_;  // most recently used first
};

// Throws where the feature maps are not as many as the detector has levels, or one is empty.
inline void check_grid(const std::vector<ImageSize>& grid_sizes, size_t levels,
                       const ImageSize& batch_size) {
  TORCH_CHECK(grid_sizes.size() == levels, "the backbone gives ", grid_sizes.size(),
              " feature maps, but the detector is described for ", levels, " levels");
  for (size_t level = 0; level < grid_sizes.size(); ++level) {
    TORCH_CHECK(grid_sizes[level][0] > 0 && grid_sizes[level][1] > 0, "feature map ", level, " is ",
                grid_sizes[level][0], " x ", grid_sizes[level][1],
                " (height x width) for a batch of ", batch_size[0], " x ", batch_size[1]);
  }
}

}  // namespace torchdet::detection
