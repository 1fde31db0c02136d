// The places of a batch that are matched with an object, as the losses of the one-stage families
// take them. Owns its tensors; made with gradients off.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "types.h"

namespace torchdet::detection {

struct MatchedPlaces {
  at::Tensor classes;           // N x S int64: label of the place's object less the first label, or
                                // a code of matcher.h
  at::Tensor rows;              // P int64: the matched places among the N*S of the batch
  at::Tensor images;            // P int64
  at::Tensor places;            // P int64, within the image
  at::Tensor boxes;             // P x 4, of their objects
  std::vector<int64_t> counts;  // per image; they add up to P

  int64_t total() const { return rows.size(0); }
  // P x numbers: what a head puts out (N x S x numbers) at these places.
  at::Tensor pick(const at::Tensor& output) const;
};

// matches: per image S int64, the index of a box of its target or a code of matcher.h.
MatchedPlaces matched_places(const std::vector<at::Tensor>& matches,
                             const std::vector<Target>& targets, int64_t first_label);

}  // namespace torchdet::detection
