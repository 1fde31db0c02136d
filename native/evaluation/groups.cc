#include "groups.h"

#include <algorithm>

namespace torchdet::evaluation {
namespace {

struct Sorted {
  std::vector<int32_t> objects;
  std::vector<int32_t> ranks;   // place of each object's image in the order
  std::vector<int64_t> starts;  // per category
};

// A counting sort by category; within one, images keep their order and objects theirs.
Sorted by_category(const ObjectList& list, const Dataset& data) {
  const auto images = static_cast<int64_t>(data.order.size());
  const int64_t count = list.offsets[images];
  Sorted sorted{std::vector<int32_t>(count), std::vector<int32_t>(count),
                std::vector<int64_t>(data.categories + 1)};
  for (int64_t i = 0; i < count; ++i) ++sorted.starts[list.categories[i] + 1];
  for (int64_t k = 0; k < data.categories; ++k) sorted.starts[k + 1] += sorted.starts[k];
  std::vector<int64_t> next(sorted.starts.begin(), sorted.starts.end() - 1);
  for (int64_t rank = 0; rank < images; ++rank) {
    const int32_t image = data.order[rank];
    for (int32_t i = list.offsets[image]; i < list.offsets[image + 1]; ++i) {
      const int64_t place = next[list.categories[i]]++;
      sorted.objects[place] = i;
      sorted.ranks[place] = static_cast<int32_t>(rank);
    }
  }
  return sorted;
}

}  // namespace

Groups make_groups(const Dataset& data, int64_t limit) {
  Sorted truth = by_category(data.truth, data);
  Sorted found = by_category(data.found, data);
  Groups result;
  result.starts.push_back(0);
  for (int64_t k = 0; k < data.categories; ++k) {
    int64_t g = truth.starts[k], d = found.starts[k];
    const int64_t g_end = truth.starts[k + 1], d_end = found.starts[k + 1];
    while (g < g_end || d < d_end) {
      const int32_t rank = g == g_end   ? found.ranks[d]
                           : d == d_end ? truth.ranks[g]
                                        : std::min(truth.ranks[g], found.ranks[d]);
      Group group{g, g, 0, 0};
      while (g < g_end && truth.ranks[g] == rank) ++g;
      group.truth_end = g;
      const int64_t first = d;
      while (d < d_end && found.ranks[d] == rank) ++d;
      const auto begin = found.objects.begin() + first, end = found.objects.begin() + d;
      std::stable_sort(begin, end,
                       [&](int32_t a, int32_t b) { return data.scores[a] > data.scores[b]; });
      group.found_begin = static_cast<int64_t>(result.found.size());
      result.found.insert(result.found.end(), begin, begin + std::min(limit, d - first));
      group.found_end = static_cast<int64_t>(result.found.size());
      result.groups.push_back(group);
    }
    result.starts.push_back(static_cast<int64_t>(result.groups.size()));
  }
  result.truth = std::move(truth.objects);
  return result;
}

}  // namespace torchdet::evaluation
