#include "padded_lists.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "../ops/operators.h"
#include "box_coder.h"

namespace torchdet::detection {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// Values and positions along the last axis, best first; equal ones in the order in which they
// stand.
std::pair<at::Tensor, at::Tensor> best_first(const at::Tensor& scores) {
  auto [values, order] = at::sort(scores, /*stable=*/true, /*dim=*/-1, /*descending=*/true);
  return {values, order};
}

}  // namespace

at::Tensor all_finite(const at::Tensor& tensor) { return at::isfinite(at::sum(tensor)); }

at::Tensor only_where(const at::Tensor& marks, const at::Tensor& values) {
  return at::where(marks, values, kNothing);
}

at::Tensor is_score(const at::Tensor& scores) { return scores.gt(kNothing); }

at::Tensor gather_rows(const at::Tensor& values, const at::Tensor& order) {
  std::vector<int64_t> shape = order.sizes().vec();
  shape.push_back(values.size(-1));
  return at::gather(values, -2, order.unsqueeze(-1).expand(shape));
}

at::Tensor clip_by_image(const at::Tensor& boxes, const std::vector<ImageSize>& image_sizes) {
  std::vector<at::Tensor> clipped;
  for (size_t image = 0; image < image_sizes.size(); ++image) {
    const at::Tensor own = boxes[static_cast<int64_t>(image)];
    clipped.push_back(clip_boxes(own.reshape({-1, 4}), image_sizes[image]).view(own.sizes()));
  }
  return at::stack(clipped);
}

at::Tensor large_sides(const at::Tensor& boxes, double min_side) {
  return large_enough(boxes.reshape({-1, 4}), min_side)
      .view(boxes.sizes().slice(0, boxes.dim() - 1));
}

at::Tensor move_apart(const at::Tensor& boxes, const at::Tensor& marks, const at::Tensor& groups) {
  const at::Tensor distance = only_where(marks.unsqueeze(-1), boxes).flatten(1).amax(1).add_(1);
  std::vector<int64_t> per_image(groups.dim(), 1);
  per_image[0] = -1;
  return boxes + (groups.to(boxes.scalar_type()) * distance.view(per_image)).unsqueeze(-1);
}

at::Tensor keep_in_segments(const at::Tensor& boxes, const at::Tensor& scores,
                            double iou_threshold) {
  const at::Tensor order = best_first(scores).second;
  const at::Tensor kept =
      ops::suppress_segments(gather_rows(boxes, order), is_score(scores).sum(1), iou_threshold);
  return at::zeros(kept.sizes(), kept.options()).scatter_(1, order, kept);
}

at::Tensor in_front(const at::Tensor& counts, int64_t size) {
  return at::arange(size, counts.options()).unsqueeze(0).lt(counts.unsqueeze(1));
}

PaddedList best_of(const at::Tensor& boxes, const at::Tensor& labels, const at::Tensor& scores,
                   int64_t size, double least) {
  const auto [ranked, order] = best_first(scores);
  const int64_t taken = std::min(size, scores.size(1));
  const at::Tensor best = order.narrow(1, 0, taken);
  const at::Tensor best_scores = ranked.narrow(1, 0, taken);
  const at::Tensor counts = is_score(best_scores).logical_and_(best_scores.ge(least)).sum(1);
  const at::Tensor absent = in_front(counts, taken).logical_not_();
  return {gather_rows(boxes, best).masked_fill_(absent.unsqueeze(2), 0),
          at::gather(labels, 1, best).masked_fill_(absent, 0), best_scores.masked_fill(absent, 0),
          counts};
}

}  // namespace torchdet::detection
