#include "matching.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace torchdet::evaluation {
namespace {

constexpr uint16_t kAllThresholds = (1 << kThresholds) - 1;

// An object that a detection overlaps by at least the lowest threshold.
struct Candidate {
  int32_t truth;  // within the group
  double overlap;
};

// Matches group by group; keeps its memory from one to the next.
class Matcher {
 public:
  Matcher(const Dataset& data, const Groups& groups, const Overlap& overlap,
          const std::vector<AreaRange>& ranges, std::vector<Marks>& marks)
      : data_(data), groups_(groups), overlap_(overlap), ranges_(ranges), marks_(marks) {}

  void match(const Group& group) {
    group_ = &group;
    find_candidates();
    for (size_t a = 0; a < ranges_.size(); ++a) match_range(a);
  }

 private:
  void find_candidates() {
    candidates_.clear();
    starts_.assign(1, 0);
    ignored_always_.clear();
    for (int64_t g = group_->truth_begin; g < group_->truth_end; ++g)
      ignored_always_.push_back(overlap_.ignored(groups_.truth[g]));
    for (int64_t d = group_->found_begin; d < group_->found_end; ++d) {
      for (int64_t g = group_->truth_begin; g < group_->truth_end; ++g) {
        const double overlap = overlap_(groups_.found[d], groups_.truth[g], thresholds_[0]);
        if (overlap >= thresholds_[0])
          candidates_.push_back({static_cast<int32_t>(g - group_->truth_begin), overlap});
      }
      starts_.push_back(candidates_.size());
    }
  }

  void match_range(size_t a) {
    const int64_t count = group_->truth_end - group_->truth_begin;
    taken_.assign(count, 0);
    ignored_.resize(count);
    for (int64_t g = 0; g < count; ++g) {
      const double area = data_.areas[groups_.truth[group_->truth_begin + g]];
      ignored_[g] = ignored_always_[g] || !ranges_[a].holds(area);
    }
    for (int64_t d = group_->found_begin; d < group_->found_end; ++d) {
      const int32_t object = groups_.found[d];
      Marks& marks = marks_[d * ranges_.size() + a];
      marks = assign(starts_[d - group_->found_begin], starts_[d - group_->found_begin + 1]);
      const bool outside = !ranges_[a].holds(overlap_.found_area(object));
      if (outside || data_.found.flags[object] & kUnmarked)
        marks.ignored |= kAllThresholds & ~marks.matched;
    }
  }

  // The next detection in order of score takes an object at each threshold.
  Marks assign(size_t begin, size_t end) {
    Marks marks;
    if (begin == end) return marks;
    for (int t = 0; t < kThresholds; ++t) {
      const uint16_t bit = 1 << t;
      // Ignored objects only where no other is left.
      int32_t best = find(begin, end, t, false);
      if (best < 0) best = find(begin, end, t, true);
      if (best < 0) continue;
      marks.matched |= bit;
      if (ignored_[best]) marks.ignored |= bit;
      taken_[best] |= bit;
    }
    return marks;
  }

  // The best overlap from the threshold on, the last among equal ones; -1 where there is none.
  int32_t find(size_t begin, size_t end, int t, bool ignored) const {
    double highest = thresholds_[t];
    int32_t best = -1;
    for (size_t c = begin; c < end; ++c) {
      const auto [truth, overlap] = candidates_[c];
      if (ignored_[truth] != ignored || overlap < highest) continue;
      if ((taken_[truth] >> t & 1) && !is_crowd(truth)) continue;
      highest = overlap;
      best = truth;
    }
    return best;
  }

  bool is_crowd(int32_t truth) const {
    return data_.truth.flags[groups_.truth[group_->truth_begin + truth]] & kCrowd;
  }

  const Dataset& data_;
  const Groups& groups_;
  const Overlap& overlap_;
  const std::vector<AreaRange>& ranges_;
  std::vector<Marks>& marks_;
  const std::array<double, kThresholds> thresholds_ = overlap_thresholds();
  const Group* group_ = nullptr;
  std::vector<Candidate> candidates_;  // detection after detection
  std::vector<size_t> starts_;
  std::vector<uint8_t> ignored_always_;  // per object of the group
  std::vector<uint8_t> ignored_;
  std::vector<uint16_t> taken_;  // a bit for each threshold
};

}  // namespace

std::array<double, kThresholds> overlap_thresholds() {
  std::array<double, kThresholds> thresholds;
  const double step = (0.95 - 0.5) / (kThresholds - 1);
  for (int t = 0; t < kThresholds; ++t) thresholds[t] = t * step + 0.5;
  thresholds.back() = 0.95;
  return thresholds;
}

std::vector<Marks> match(const Dataset& data, const Groups& groups, const Overlap& overlap,
                         const std::vector<AreaRange>& ranges, Progress progress,
                         const Checkpoint& checkpoint) {
  std::vector<Marks> marks(groups.found.size() * ranges.size());
  const auto count = static_cast<int64_t>(groups.groups.size());
  progress.total = static_cast<int32_t>(count);
  constexpr int64_t kChunk = 64;
  at::parallel_for(0, count, kChunk, [&](int64_t begin, int64_t end) {
    Matcher matcher(data, groups, overlap, ranges, marks);
    for (int64_t start = begin; start < end; start += kChunk) {
      checkpoint();
      const int64_t stop = std::min(start + kChunk, end);
      for (int64_t i = start; i < stop; ++i) matcher.match(groups.groups[i]);
      progress.done += static_cast<int32_t>(stop - start);
    }
  });
  return marks;
}

}  // namespace torchdet::evaluation
