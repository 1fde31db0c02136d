#include "fcos_matcher.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/rsub.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <limits>

#include "matcher.h"
#include "serial_scope.h"

namespace torchdet::detection {
namespace {

constexpr float kUnbounded = std::numeric_limits<float>::infinity();

// In float32, as tensors would compute it.
struct Box {
  float x1, y1, x2, y2;

  float centre_x() const { return (x1 + x2) / 2; }
  float centre_y() const { return (y1 + y2) / 2; }
  float area() const { return (x2 - x1) * (y2 - y1); }
};

std::vector<Box> boxes_of(const at::Tensor& boxes) {
  const at::Tensor rows = boxes.cpu().contiguous();
  const float* row = rows.const_data_ptr<float>();
  std::vector<Box> result;
  for (int64_t i = 0; i < rows.size(0); ++i, row += 4)
    result.push_back({row[0], row[1], row[2], row[3]});
  return result;
}

// Places and what is asked of them: S each.
struct Points {
  at::Tensor x, y, size;
  at::Tensor nearest, farthest;  // distance of the farthest side of a box
};

// Distances of the points from a box's sides, positive inside.
struct Distances {
  at::Tensor left, top, right, bottom;

  Distances(const Points& points, const Box& box)
      : left(points.x - box.x1),
        top(points.y - box.y1),
        right(at::rsub(points.x, box.x2)),
        bottom(at::rsub(points.y, box.y2)) {}

  at::Tensor least() const {
    return at::minimum(at::minimum(left, top), at::minimum(right, bottom));
  }
  at::Tensor most() const {
    return at::maximum(at::maximum(left, top), at::maximum(right, bottom));
  }
};

// The box with the greatest rank (above `least`) among those for which `fits(points, box)`, box by
// box: the table of all pairs is never made.
template <typename Fits, typename Rank>
at::Tensor best_fits(const at::Tensor& boxes, const Points& points, float least, const Fits& fits,
                     const Rank& rank) {
  const SerialScope serial;
  at::Tensor best = at::full({points.x.size(0)}, least, points.x.options());
  at::Tensor match =
      at::full({points.x.size(0)}, kBelowLowThreshold, points.x.options().dtype(at::kLong));
  int64_t index = 0;
  for (const Box& box : boxes_of(boxes)) {
    const float value = rank(box);
    const at::Tensor better = fits(points, box).logical_and_(best.lt(value));
    best.masked_fill_(better, value);
    match.masked_fill_(better, index++);
  }
  return match;
}

void bound_first_level(at::Tensor& nearest, const std::vector<int64_t>& level_places, float bound) {
  nearest.narrow(0, 0, level_places.front()).fill_(bound);
}

void free_last_level(at::Tensor& farthest, const std::vector<int64_t>& level_places) {
  const int64_t count = level_places.back();
  farthest.narrow(0, farthest.size(0) - count, count).fill_(kUnbounded);
}

}  // namespace

at::Tensor match_anchor_points(const at::Tensor& boxes, const at::Tensor& anchors,
                               const std::vector<int64_t>& level_places, double radius) {
  Points points;
  const at::Tensor x1 = anchors.select(1, 0), x2 = anchors.select(1, 2);
  points.x = (x1 + x2) / 2;
  points.y = (anchors.select(1, 1) + anchors.select(1, 3)) / 2;
  points.size = x2 - x1;
  points.nearest = points.size * 4;
  bound_first_level(points.nearest, level_places, 0);
  points.farthest = points.size * 8;
  free_last_level(points.farthest, level_places);
  const at::Tensor reach = points.size * radius;
  const auto fits = [&](const Points& from, const Box& box) {
    const Distances distances(from, box);
    const at::Tensor most = distances.most();
    const at::Tensor off_centre =
        at::maximum((from.x - box.centre_x()).abs_(), (from.y - box.centre_y()).abs_());
    return off_centre.lt(reach)
        .logical_and_(distances.least().gt(0))
        .logical_and_(most.gt(from.nearest))
        .logical_and_(most.lt(from.farthest));
  };
  // torchvision's rank, with float32's steps of 8 square pixels; below 1e-5 there is no match.
  const auto rank = [](const Box& box) {
    const float value = 1e8f - box.area();
    return value < 1e-5f ? 0.0f : value;
  };
  return best_fits(boxes, points, 0, fits, rank);
}

at::Tensor match_points(const at::Tensor& boxes, const at::Tensor& points_and_strides,
                        const std::vector<int64_t>& level_places, double radius) {
  Points points;
  points.x = points_and_strides.select(1, 0);
  points.y = points_and_strides.select(1, 1);
  points.size = points_and_strides.select(1, 2);
  points.farthest = points.size * 8;
  points.nearest = at::empty_like(points.farthest);
  bound_first_level(points.nearest, level_places, -1);
  int64_t start = level_places.front();
  for (size_t level = 1; level < level_places.size(); ++level) {
    // Where the level before ends.
    points.nearest.narrow(0, start, level_places[level])
        .copy_(points.farthest.narrow(0, start - 1, 1));
    start += level_places[level];
  }
  free_last_level(points.farthest, level_places);
  const at::Tensor reach = points.size * radius;
  const auto inside = [&](const Points& from, const Box& box, const Distances& distances) {
    if (radius <= 0) return distances.least().gt(0);
    const at::Tensor across = at::minimum(from.x - (box.centre_x() - reach).clamp_min_(box.x1),
                                          (box.centre_x() + reach).clamp_max_(box.x2) - from.x);
    const at::Tensor down = at::minimum(from.y - (box.centre_y() - reach).clamp_min_(box.y1),
                                        (box.centre_y() + reach).clamp_max_(box.y2) - from.y);
    return at::minimum(across, down).gt(0);
  };
  const auto fits = [&](const Points& from, const Box& box) {
    const Distances distances(from, box);
    const at::Tensor most = distances.most();
    return inside(from, box, distances)
        .logical_and_(most.ge(from.nearest))
        .logical_and_(most.le(from.farthest));
  };
  return best_fits(boxes, points, -kUnbounded, fits, [](const Box& box) { return -box.area(); });
}

}  // namespace torchdet::detection
