#include "confusion.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "overlap.h"

namespace torchdet::evaluation {
namespace {

class ImageMatcher {
 public:
  ImageMatcher(const Dataset& data, const ConfusionOptions& options, const Overlap& overlap,
               Confusion& result)
      : data_(data), options_(options), overlap_(overlap), result_(result) {}

  void match(int32_t image) {
    image_ = image;
    prepare();
    for (const int32_t found : order_) take(found, true);
    for (const int32_t found : order_) {
      if (result_.found_matches[found] != kUnmatched) continue;
      const bool unmarked = data_.found.flags[found] & kUnmarked;
      if (unmarked || over_ignored(found)) result_.found_matches[found] = kNotCounted;
    }
    for (const int32_t found : order_)
      if (result_.found_matches[found] == kUnmatched) take(found, false);
  }

 private:
  void prepare() {
    order_.clear();
    for (int32_t d = data_.found.offsets[image_]; d < data_.found.offsets[image_ + 1]; ++d) {
      const bool counts = data_.scores[d] >= options_.score_threshold;
      result_.found_matches[d] = counts ? kUnmatched : kNotCounted;
      if (counts) order_.push_back(d);
    }
    std::stable_sort(order_.begin(), order_.end(),
                     [&](int32_t a, int32_t b) { return data_.scores[a] > data_.scores[b]; });
    for (int32_t g = data_.truth.offsets[image_]; g < data_.truth.offsets[image_ + 1]; ++g)
      result_.truth_matches[g] = overlap_.ignored(g) ? kNotCounted : kUnmatched;
  }

  bool same_class(int32_t found, int32_t truth) const {
    return data_.found.categories[found] == data_.truth.categories[truth];
  }

  void take(int32_t found, bool of_its_class) {
    double highest = options_.overlap_threshold;
    int32_t best = -1;
    for (int32_t g = data_.truth.offsets[image_]; g < data_.truth.offsets[image_ + 1]; ++g) {
      if (result_.truth_matches[g] != kUnmatched || same_class(found, g) != of_its_class) continue;
      const double overlap = overlap_(found, g, highest);
      if (overlap < highest) continue;
      highest = overlap;
      best = g;
    }
    if (best < 0) return;
    result_.found_matches[found] = best;
    result_.truth_matches[best] = found;
  }

  bool over_ignored(int32_t found) const {
    const double least = options_.overlap_threshold;
    for (int32_t g = data_.truth.offsets[image_]; g < data_.truth.offsets[image_ + 1]; ++g) {
      if (result_.truth_matches[g] == kNotCounted && same_class(found, g) &&
          overlap_(found, g, least) >= least)
        return true;
    }
    return false;
  }

  const Dataset& data_;
  const ConfusionOptions& options_;
  const Overlap& overlap_;
  Confusion& result_;
  int32_t image_ = 0;
  std::vector<int32_t> order_;
};

void fill_matrix(const Dataset& data, Confusion& result) {
  const int64_t side = data.categories + 1;
  const int64_t nothing = data.categories;
  result.matrix.assign(side * side, 0);
  for (int64_t d = 0; d < data.found_count(); ++d) {
    const int32_t truth = result.found_matches[d];
    if (truth == kNotCounted) continue;
    const int64_t row = truth == kUnmatched ? nothing : data.truth.categories[truth];
    ++result.matrix[row * side + data.found.categories[d]];
  }
  for (int64_t g = 0; g < data.truth_count(); ++g)
    if (result.truth_matches[g] == kUnmatched)
      ++result.matrix[data.truth.categories[g] * side + nothing];
}

}  // namespace

Confusion confuse(const Dataset& data, const ConfusionOptions& options, Progress progress,
                  const Checkpoint& checkpoint) {
  checkpoint();
  const Overlap overlap(data);
  Confusion result;
  result.found_matches.resize(data.found_count());
  result.truth_matches.resize(data.truth_count());
  const auto images = static_cast<int64_t>(data.order.size());
  progress.total = static_cast<int32_t>(images);
  constexpr int64_t kChunk = 16;
  at::parallel_for(0, images, kChunk, [&](int64_t begin, int64_t end) {
    ImageMatcher matcher(data, options, overlap, result);
    for (int64_t image = begin; image < end; ++image) {
      if ((image - begin) % kChunk == 0) checkpoint();
      matcher.match(static_cast<int32_t>(image));
      ++progress.done;
    }
  });
  fill_matrix(data, result);
  return result;
}

}  // namespace torchdet::evaluation
