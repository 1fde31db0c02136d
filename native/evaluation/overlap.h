// How well a detection fits an object: intersection over union of boxes or masks, or COCO's object
// keypoint similarity. Made for one evaluation; keeps the extents of its masks.
#pragma once

#include <vector>

#include "run_length.h"
#include "types.h"

namespace torchdet::evaluation {

class Overlap {
 public:
  explicit Overlap(const Dataset& data);

  // 0 to 1. Crowds are compared by the share of the detection that lies within them. May give 0 for
  // masks that overlap by less than `least`.
  double operator()(int64_t found, int64_t truth, double least) const;

  double found_area(int64_t found) const;
  // Not to be found: neither a hit nor a miss.
  bool ignored(int64_t truth) const;

 private:
  double boxes(int64_t found, int64_t truth) const;
  double masks(int64_t found, int64_t truth, double least) const;
  double keypoints(int64_t found, int64_t truth) const;
  int64_t visible_keypoints(int64_t truth) const;

  const Dataset& data_;
  std::vector<MaskExtent> found_extents_;
  std::vector<MaskExtent> truth_extents_;
};

}  // namespace torchdet::evaluation
