// What the selections of fixed size are made of: lists of boxes with marks of those that count, on
// a device that the host does not wait for. Free functions that own nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "types.h"

namespace torchdet::detection {

// Whether all numbers are finite: a bool on the device.
at::Tensor all_finite(const at::Tensor& tensor);

// `values` where `marks`, and what is below every score elsewhere.
at::Tensor only_where(const at::Tensor& marks, const at::Tensor& values);

// Whether a score is one, and not what only_where puts in place of it.
at::Tensor is_score(const at::Tensor& scores);

// Rows of `values` (... x K x C) by `order` (... x L): ... x L x C.
at::Tensor gather_rows(const at::Tensor& values, const at::Tensor& order);

// Each image's boxes (N x ... x 4) clipped to its size.
at::Tensor clip_by_image(const at::Tensor& boxes, const std::vector<ImageSize>& image_sizes);

// Both sides at least min_side, of boxes ... x 4.
at::Tensor large_sides(const at::Tensor& boxes, double min_side);

// Each image's boxes (N x ... x 4) moved by its group's number times one more than the largest
// coordinate of those that are marked, so that boxes of different groups do not overlap.
at::Tensor move_apart(const at::Tensor& boxes, const at::Tensor& marks, const at::Tensor& groups);

// Which boxes (S x K x 4) of each segment non-maximum suppression keeps, as marks in the order in
// which they stand. Scores (S x K) are from only_where; among equal ones the first is better.
at::Tensor keep_in_segments(const at::Tensor& boxes, const at::Tensor& scores,
                            double iou_threshold);

// The first `counts` of each image's list; zeros behind them.
struct PaddedList {
  at::Tensor boxes;   // N x size x 4
  at::Tensor labels;  // N x size, int64
  at::Tensor scores;  // N x size
  at::Tensor counts;  // N, int64
};

// The best of each image's boxes (N x K x 4), labels and scores (N x K, from only_where): at most
// `size`, none below `least`. Among equal scores the first is better.
PaddedList best_of(const at::Tensor& boxes, const at::Tensor& labels, const at::Tensor& scores,
                   int64_t size, double least);

// True for the first `counts` (N) of `size` places: N x size.
at::Tensor in_front(const at::Tensor& counts, int64_t size);

}  // namespace torchdet::detection
