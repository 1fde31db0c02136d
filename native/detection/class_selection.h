// Selection class by class on the CPU, where a dense head has thousands of places and each of them
// a score for every class: one pass over the scores, and no list of all candidates. The results are
// those of dense_selection.h's functions, ties included. Free functions that own nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "config.h"
#include "dense_selection.h"
#include "types.h"

namespace torchdet::detection {

// Of each class but 0 of scores (S x C, float32, contiguous, on the CPU, finite) the `top_n` best
// that are above the threshold, best first; equal scores in the order in which torch.topk has them.
// A group is a class.
Candidates best_of_classes(const at::Tensor& scores, double threshold, int64_t top_n);

// suppress() of candidates whose groups are their labels, each best first. boxes is K x 4.
Detections suppress_by_class(const Candidates& candidates, const at::Tensor& boxes,
                             const DenseConfig& config);

}  // namespace torchdet::detection
