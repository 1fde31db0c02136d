#include "overlap.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace torchdet::evaluation {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

RunLengths runs_of(const ObjectList& list, int64_t object) {
  return {list.runs + list.run_offsets[object], list.runs + list.run_offsets[object + 1]};
}

std::vector<MaskExtent> extents_of(const ObjectList& list, int64_t count) {
  std::vector<MaskExtent> extents(count);
  at::parallel_for(0, count, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) extents[i] = extent_of(runs_of(list, i));
  });
  return extents;
}

}  // namespace

Overlap::Overlap(const Dataset& data) : data_(data) {
  if (data.kind != Kind::kMasks) return;
  found_extents_ = extents_of(data.found, data.found_count());
  truth_extents_ = extents_of(data.truth, data.truth_count());
}

double Overlap::operator()(int64_t found, int64_t truth, double least) const {
  switch (data_.kind) {
    case Kind::kBoxes:
      return boxes(found, truth);
    case Kind::kMasks:
      return masks(found, truth, least);
    default:
      return keypoints(found, truth);
  }
}

double Overlap::boxes(int64_t found, int64_t truth) const {
  const double* d = data_.found.boxes + 4 * found;
  const double* g = data_.truth.boxes + 4 * truth;
  const double width = std::min(d[2] + d[0], g[2] + g[0]) - std::max(d[0], g[0]);
  if (width <= 0) return 0;
  const double height = std::min(d[3] + d[1], g[3] + g[1]) - std::max(d[1], g[1]);
  if (height <= 0) return 0;
  const double shared = width * height;
  const double area = d[2] * d[3];
  const bool crowd = data_.truth.flags[truth] & kCrowd;
  return shared / (crowd ? area : area + g[2] * g[3] - shared);
}

double Overlap::masks(int64_t found, int64_t truth, double least) const {
  const MaskExtent& d = found_extents_[found];
  const MaskExtent& g = truth_extents_[truth];
  const uint64_t begin = std::max(d.first, g.first), end = std::min(d.last, g.last);
  if (begin >= end) return 0;
  const bool crowd = data_.truth.flags[truth] & kCrowd;
  const auto score = [&](uint64_t shared) {
    const uint64_t all = crowd ? d.area : d.area + g.area - shared;
    return static_cast<double>(shared) / static_cast<double>(all);
  };
  // The runs need not be read where even the most that can be shared is too little.
  if (score(std::min({d.area, g.area, end - begin})) < least) return 0;
  const uint64_t shared = intersection(runs_of(data_.found, found), runs_of(data_.truth, truth));
  return shared == 0 ? 0 : score(shared);
}

double Overlap::keypoints(int64_t found, int64_t truth) const {
  const auto count = static_cast<int64_t>(data_.sigmas.size());
  const double* d = data_.found.keypoints + 3 * count * found;
  const double* g = data_.truth.keypoints + 3 * count * truth;
  const double* box = data_.truth.boxes + 4 * truth;
  const int64_t visible = visible_keypoints(truth);
  // Objects without a visible keypoint are ignored; what lies near them, within their box and its
  // width and height around it, shall be ignored with them.
  const double left = box[0] - box[2], right = box[0] + 2 * box[2];
  const double top = box[1] - box[3], bottom = box[1] + 2 * box[3];
  double sum = 0;
  for (int64_t k = 0; k < count; ++k, d += 3, g += 3) {
    double dx, dy;
    if (visible > 0) {
      if (!(g[2] > 0)) continue;
      dx = d[0] - g[0];
      dy = d[1] - g[1];
    } else {
      dx = std::max(0.0, left - d[0]) + std::max(0.0, d[0] - right);
      dy = std::max(0.0, top - d[1]) + std::max(0.0, d[1] - bottom);
    }
    const double spread = 2 * data_.sigmas[k];
    sum += std::exp(-(dx * dx + dy * dy) / (spread * spread) / (data_.areas[truth] + kEpsilon) / 2);
  }
  return sum / static_cast<double>(visible > 0 ? visible : count);
}

int64_t Overlap::visible_keypoints(int64_t truth) const {
  const auto count = static_cast<int64_t>(data_.sigmas.size());
  const double* keypoints = data_.truth.keypoints + 3 * count * truth;
  int64_t visible = 0;
  for (int64_t k = 0; k < count; ++k) visible += keypoints[3 * k + 2] > 0;
  return visible;
}

double Overlap::found_area(int64_t found) const {
  if (data_.kind == Kind::kMasks) return static_cast<double>(found_extents_[found].area);
  if (data_.kind == Kind::kBoxes) {
    const double* box = data_.found.boxes + 4 * found;
    return box[2] * box[3];
  }
  // Of the box around the keypoints.
  const auto count = static_cast<int64_t>(data_.sigmas.size());
  const double* keypoints = data_.found.keypoints + 3 * count * found;
  double left = keypoints[0], right = left, top = keypoints[1], bottom = top;
  for (int64_t k = 1; k < count; ++k) {
    left = std::min(left, keypoints[3 * k]);
    right = std::max(right, keypoints[3 * k]);
    top = std::min(top, keypoints[3 * k + 1]);
    bottom = std::max(bottom, keypoints[3 * k + 1]);
  }
  return (right - left) * (bottom - top);
}

bool Overlap::ignored(int64_t truth) const {
  const uint8_t flags = data_.truth.flags[truth];
  if (flags & (kCrowd | kDifficult)) return true;
  if (data_.kind == Kind::kMasks) return flags & kNoMask;
  return data_.kind == Kind::kKeypoints && visible_keypoints(truth) == 0;
}

}  // namespace torchdet::evaluation
