// Ground truth and detections sorted by category and image: what is compared with one another.
#pragma once

#include <vector>

#include "types.h"

namespace torchdet::evaluation {

// What one image has of one category: ranges of Groups::truth and Groups::found.
struct Group {
  int64_t truth_begin, truth_end;
  int64_t found_begin, found_end;
};

struct Groups {
  // Indices of objects: by category, then image in the data set's order.
  std::vector<int32_t> truth;
  // Likewise, within an image best first, equal scores in the order given, at most `limit` of them.
  std::vector<int32_t> found;
  // Only groups that hold anything, in the same order.
  std::vector<Group> groups;
  // Groups of category k: starts[k] to starts[k + 1].
  std::vector<int64_t> starts;
};

Groups make_groups(const Dataset& data, int64_t limit);

}  // namespace torchdet::evaluation
