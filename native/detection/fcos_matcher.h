// Which ground-truth box each point of FCOS is trained towards, in torchvision's form and in that
// of the original repository. Free functions that own nothing; no gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace torchdet::detection {

// Both give S int64: index of the smallest box (G x 4) that the place may be trained towards, or
// kBelowLowThreshold. `level_places` are the places of each level, finest first. Areas are compared
// as torchvision and the repository do, each with its own rounding; of equals the first wins.

// anchors S x 4 squares: centre strictly inside the box and less than `radius` sides from its
// centre; farthest side of the box between 4 and 8 sides away (0 on the first level, no limit on
// the last).
at::Tensor match_anchor_points(const at::Tensor& boxes, const at::Tensor& anchors,
                               const std::vector<int64_t>& level_places, double radius);

// points S x 3 (x, y, stride): strictly inside the part of the box that is at most `radius` strides
// from its centre (0: the whole box); farthest side at most 8 strides away, and at least 8 strides
// of the level before (no limit on the last level and on the first).
at::Tensor match_points(const at::Tensor& boxes, const at::Tensor& points,
                        const std::vector<int64_t>& level_places, double radius);

}  // namespace torchdet::detection
