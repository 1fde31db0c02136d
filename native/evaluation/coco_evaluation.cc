#include "coco_evaluation.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "matching.h"

namespace torchdet::evaluation {
namespace {

constexpr int64_t kPoints = 101;
constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// numpy.linspace(0, 1, 101)
double recall_point(int64_t r) { return r == kPoints - 1 ? 1.0 : static_cast<double>(r) * 0.01; }

// Everything about one category; writes into the figures' parts that belong to it.
class Accumulator {
 public:
  Accumulator(const Dataset& data, const CocoOptions& options, const Groups& groups,
              const Overlap& overlap, const std::vector<Marks>& marks, CocoFigures& figures)
      : data_(data),
        options_(options),
        groups_(groups),
        overlap_(overlap),
        marks_(marks),
        figures_(figures) {}

  void accumulate(int64_t category) {
    category_ = category;
    collect();
    figures_.truth_count[category] = static_cast<int32_t>(objects_within(options_.areas[0]));
    figures_.found_count[category] = static_cast<int32_t>(order_.size());
    for (size_t a = 0; a < options_.areas.size(); ++a) {
      const int64_t objects = objects_within(options_.areas[a]);
      if (objects == 0) continue;
      recall(a, objects);
      for (int t = 0; t < kThresholds; ++t) precision(a, t, objects);
    }
  }

 private:
  std::pair<const Group*, const Group*> groups() const {
    return {groups_.groups.data() + groups_.starts[category_],
            groups_.groups.data() + groups_.starts[category_ + 1]};
  }

  Marks marks(int64_t found, size_t area) const {
    return marks_[found * options_.areas.size() + area];
  }

  // The category's detections of all images, best first; equal scores in the order of images.
  void collect() {
    order_.clear();
    for (auto [group, end] = groups(); group < end; ++group)
      for (int64_t d = group->found_begin; d < group->found_end; ++d) order_.push_back(d);
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int64_t a, int64_t b) { return score(a) > score(b); });
  }

  double score(int64_t found) const { return data_.scores[groups_.found[found]]; }

  int64_t objects_within(const AreaRange& range) const {
    int64_t count = 0;
    for (auto [group, end] = groups(); group < end; ++group) {
      for (int64_t g = group->truth_begin; g < group->truth_end; ++g) {
        const int32_t object = groups_.truth[g];
        count += !overlap_.ignored(object) && range.holds(data_.areas[object]);
      }
    }
    return count;
  }

  void recall(size_t area, int64_t objects) {
    const size_t limits = options_.max_detections.size();
    double* recall =
        &figures_.recall[(category_ * options_.areas.size() + area) * limits * kThresholds];
    for (size_t m = 0; m < limits; ++m, recall += kThresholds) {
      std::array<int64_t, kThresholds> right{};
      for (auto [group, end] = groups(); group < end; ++group) {
        const int64_t stop =
            std::min(group->found_end, group->found_begin + options_.max_detections[m]);
        for (int64_t d = group->found_begin; d < stop; ++d) {
          const Marks found = marks(d, area);
          const uint16_t hits = found.matched & ~found.ignored;
          for (int t = 0; t < kThresholds; ++t) right[t] += hits >> t & 1;
        }
      }
      for (int t = 0; t < kThresholds; ++t)
        recall[t] = static_cast<double>(right[t]) / static_cast<double>(objects);
    }
  }

  void precision(size_t area, int t, int64_t objects) {
    const size_t count = order_.size();
    recalls_.resize(count);
    precisions_.resize(count);
    double right = 0, wrong = 0;
    for (size_t i = 0; i < count; ++i) {
      const Marks found = marks(order_[i], area);
      const bool matched = found.matched >> t & 1, ignored = found.ignored >> t & 1;
      right += matched && !ignored;
      wrong += !matched && !ignored;
      recalls_[i] = right / static_cast<double>(objects);
      precisions_[i] = right / (wrong + right + kEpsilon);
    }
    // The best precision at this recall or any higher one.
    for (size_t i = count; i-- > 1;)
      precisions_[i - 1] = std::max(precisions_[i - 1], precisions_[i]);
    double* precision =
        &figures_
             .precision[((category_ * options_.areas.size() + area) * kThresholds + t) * kPoints];
    double* scores =
        area == 0 ? &figures_.scores[(category_ * kThresholds + t) * kPoints] : nullptr;
    size_t i = 0;
    for (int64_t r = 0; r < kPoints; ++r) {
      while (i < count && recalls_[i] < recall_point(r)) ++i;
      precision[r] = i < count ? precisions_[i] : 0;
      if (scores) scores[r] = i < count ? score(order_[i]) : 0;
    }
  }

  const Dataset& data_;
  const CocoOptions& options_;
  const Groups& groups_;
  const Overlap& overlap_;
  const std::vector<Marks>& marks_;
  CocoFigures& figures_;
  int64_t category_ = 0;
  std::vector<int64_t> order_;
  std::vector<double> recalls_;
  std::vector<double> precisions_;
};

}  // namespace

CocoFigures evaluate_coco(const Dataset& data, const CocoOptions& options, Progress progress,
                          const Checkpoint& checkpoint) {
  checkpoint();
  const Overlap overlap(data);
  const Groups groups = make_groups(data, options.max_detections.back());
  const std::vector<Marks> marks =
      match(data, groups, overlap, options.areas, progress, checkpoint);

  const auto categories = static_cast<size_t>(data.categories);
  const size_t areas = options.areas.size();
  CocoFigures figures;
  figures.precision.assign(categories * areas * kThresholds * kPoints, -1);
  figures.scores.assign(categories * kThresholds * kPoints, -1);
  figures.recall.assign(categories * areas * options.max_detections.size() * kThresholds, -1);
  figures.truth_count.assign(categories, 0);
  figures.found_count.assign(categories, 0);
  at::parallel_for(0, data.categories, 1, [&](int64_t begin, int64_t end) {
    Accumulator accumulator(data, options, groups, overlap, marks, figures);
    for (int64_t k = begin; k < end; ++k) {
      checkpoint();
      accumulator.accumulate(k);
    }
  });
  return figures;
}

}  // namespace torchdet::evaluation
