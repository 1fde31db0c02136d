#include "class_selection.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>
#include <vector>

#include "../ops/suppression.h"

namespace torchdet::detection {
namespace {

// Up to here torchvision's batched_nms takes another way, whose rounding decides: suppress() has
// it.
constexpr int64_t kFewNumbers = 4000;

using Scored = std::pair<float, int64_t>;  // score, place

bool better(const Scored& a, const Scored& b) { return a.first > b.first; }

// The best of begin..end to its beginning, by torch.topk's own steps, so that of equal scores the
// same ones stay. How many they are.
int64_t keep_best(Scored* begin, Scored* end, int64_t top_n) {
  const int64_t size = end - begin;
  const int64_t count = std::min(top_n, size);
  if (count == 0) return 0;
  if (count * 64 <= size) {
    std::partial_sort(begin, begin + count, end, better);
  } else {
    std::nth_element(begin, begin + count - 1, end, better);
    std::sort(begin, begin + count - 1, better);
  }
  return count;
}

// How many scores of each class are above the threshold.
std::vector<int64_t> count_by_class(const float* scores, int64_t places, int64_t classes,
                                    float threshold) {
  std::vector<int32_t> counts(classes);
  for (int64_t place = 0; place < places; ++place, scores += classes) {
    for (int64_t label = 0; label < classes; ++label) counts[label] += scores[label] > threshold;
  }
  return {counts.begin(), counts.end()};
}

}  // namespace

Candidates best_of_classes(const at::Tensor& scores, double threshold, int64_t top_n) {
  TORCH_CHECK(scores.dim() == 2 && scores.is_cpu() && scores.is_contiguous() &&
                  scores.scalar_type() == at::kFloat,
              "scores must be a contiguous float32 matrix on the CPU, got ", scores.scalar_type(),
              " of shape ", scores.sizes());
  const int64_t places = scores.size(0);
  const int64_t classes = scores.size(1);
  const auto least = static_cast<float>(threshold);  // as torch compares floats with a number
  const float* row = scores.const_data_ptr<float>();
  std::vector<int64_t> counts = count_by_class(row, places, classes, least);
  counts[0] = 0;
  std::vector<int64_t> ends(classes);  // of each class in `found`, as it fills
  std::exclusive_scan(counts.begin(), counts.end(), ends.begin(), int64_t(0));
  const int64_t all = ends.back() + counts.back();
  const c10::DataPtr memory = c10::GetCPUAllocator()->allocate(all * sizeof(Scored));
  Scored* const found = static_cast<Scored*>(memory.get());
  for (int64_t place = 0; place < places; ++place, row += classes) {
    for (int64_t label = 1; label < classes; ++label) {
      if (row[label] > least) new (found + ends[label]++) Scored(row[label], place);
    }
  }
  int64_t total = 0;
  Candidates best;
  for (int64_t label = 1; label < classes; ++label) {
    Scored* const end = found + ends[label];
    best.group_sizes.push_back(keep_best(end - counts[label], end, top_n));
    total += best.group_sizes.back();
  }
  best.scores = at::empty({total}, scores.options());
  best.places = at::empty({total}, scores.options().dtype(at::kLong));
  best.labels = at::empty({total}, best.places.options());
  float* score = best.scores.mutable_data_ptr<float>();
  int64_t* place = best.places.mutable_data_ptr<int64_t>();
  int64_t* label_of = best.labels.mutable_data_ptr<int64_t>();
  for (int64_t label = 1; label < classes; ++label) {
    const Scored* candidate = found + ends[label] - counts[label];
    for (int64_t i = 0; i < best.group_sizes[label - 1]; ++i, ++candidate) {
      *score++ = candidate->first;
      *place++ = candidate->second;
      *label_of++ = label;
    }
  }
  return best;
}

Detections suppress_by_class(const Candidates& candidates, const at::Tensor& boxes,
                             const DenseConfig& config) {
  if (boxes.numel() <= kFewNumbers) return suppress(candidates, boxes, config);
  const at::Tensor xyxy = boxes.contiguous();
  const float* data = xyxy.const_data_ptr<float>();
  std::vector<int64_t> order(xyxy.size(0));
  std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> kept;
  int64_t first = 0;
  for (const int64_t size : candidates.group_sizes) {
    auto survivors = ops::suppress(data, order.data() + first, size, config.nms_thresh);
    kept.insert(kept.end(), survivors.begin(), survivors.end());
    first += size;
  }
  at::Tensor indices = at::empty({static_cast<int64_t>(kept.size())}, at::kLong);
  std::copy(kept.begin(), kept.end(), indices.mutable_data_ptr<int64_t>());
  // By the sort that batched_nms ends with: ties come out as there.
  const at::Tensor scores = candidates.scores.index_select(0, indices);
  const at::Tensor sorted = std::get<1>(at::sort(scores, 0, /*descending=*/true));
  const int64_t count = std::min(config.detections_per_img, indices.size(0));
  const at::Tensor best = indices.index_select(0, sorted.narrow(0, 0, count));
  Detections detections;
  detections.boxes = boxes.index_select(0, best);
  detections.labels = candidates.labels.index_select(0, best);
  detections.scores = candidates.scores.index_select(0, best);
  return detections;
}

}  // namespace torchdet::detection
