#include "matcher.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/max.h>
#include <ATen/ops/scatter_reduce.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "box_iou.h"
#include "box_iou_kernel.h"

namespace torchdet::detection {
namespace {

// Anchors compared with one ground-truth box at a time: their IoUs stay in the first cache.
constexpr int64_t kBlock = 1024;

void check_rule(const MatchRule& rule) {
  TORCH_CHECK(rule.low_threshold <= rule.high_threshold, "the matcher's low threshold ",
              rule.low_threshold, " must not be above its high threshold ", rule.high_threshold);
}

// torch.max's order: the first of equals, and NaN above everything.
bool beats(float candidate, float best) {
  return candidate > best || (std::isnan(candidate) && !std::isnan(best));
}

struct Best {
  float value = -1;
  int64_t index = 0;

  void see(float candidate, int64_t at) {
    if (beats(candidate, value)) *this = {candidate, at};
  }
};

// Matches all anchors in blocks; the matrix of pairs exists for one block and one ground-truth box
// at a time.
class BlockMatcher {
 public:
  BlockMatcher(const at::Tensor& ground_truth, const at::Tensor& anchors)
      : truth_(ground_truth.contiguous()),
        anchors_(anchors),
        best_(static_cast<size_t>(anchors_.size())),
        block_best_(static_cast<size_t>(blocks() * truths())) {
    for_blocks([this](int64_t block) { compare(block); });
  }

  at::Tensor matches(const MatchRule& rule) {
    // As torch compares a float32 tensor with a number: in float32.
    const auto low = static_cast<float>(rule.low_threshold);
    const auto high = static_cast<float>(rule.high_threshold);
    at::Tensor matches = at::empty({anchors_.size()}, at::TensorOptions().dtype(at::kLong));
    int64_t* out = matches.mutable_data_ptr<int64_t>();
    for (int64_t i = 0; i < anchors_.size(); ++i) {
      const Best& best = best_[i];
      out[i] = best.value < low    ? kBelowLowThreshold
               : best.value < high ? kBetweenThresholds
                                   : best.index;
    }
    if (rule.low_quality == LowQuality::kRestoreTies) restore_ties(out);
    if (rule.low_quality == LowQuality::kForceBest) force_best(out);
    return matches;
  }

 private:
  int64_t truths() const { return truth_.size(0); }
  int64_t blocks() const { return (anchors_.size() + kBlock - 1) / kBlock; }
  int64_t begin(int64_t block) const { return block * kBlock; }
  int64_t end(int64_t block) const { return std::min(begin(block) + kBlock, anchors_.size()); }
  Best& block_best(int64_t block, int64_t truth) { return block_best_[block * truths() + truth]; }

  template <typename Body>
  void for_blocks(const Body& body) {
    at::parallel_for(0, blocks(), /*grain_size=*/16, [&](int64_t first, int64_t last) {
      for (int64_t block = first; block < last; ++block) body(block);
    });
  }

  void overlaps(int64_t block, int64_t truth, float* out) const {
    anchors_.overlaps(truth_.const_data_ptr<float>() + truth * 4, begin(block), end(block), out);
  }

  void compare(int64_t block) {
    float iou[kBlock];
    const int64_t count = end(block) - begin(block);
    Best* anchor_best = best_.data() + begin(block);
    for (int64_t truth = 0; truth < truths(); ++truth) {
      overlaps(block, truth, iou);
      Best best;
      for (int64_t i = 0; i < count; ++i) {
        anchor_best[i].see(iou[i], truth);
        best.see(iou[i], begin(block) + i);
      }
      block_best(block, truth) = best;
    }
  }

  Best best_of(int64_t truth) {
    Best best;
    for (int64_t block = 0; block < blocks(); ++block) {
      const Best& candidate = block_best(block, truth);
      best.see(candidate.value, candidate.index);
    }
    return best;
  }

  void restore_ties(int64_t* matches) {
    float iou[kBlock];
    for (int64_t truth = 0; truth < truths(); ++truth) {
      const float highest = best_of(truth).value;
      for (int64_t block = 0; block < blocks(); ++block) {
        if (block_best(block, truth).value != highest) continue;  // NaN: no anchor at all
        overlaps(block, truth, iou);
        for (int64_t i = begin(block); i < end(block); ++i)
          if (iou[i - begin(block)] == highest) matches[i] = best_[i].index;
      }
    }
  }

  void force_best(int64_t* matches) {
    for (int64_t truth = 0; truth < truths(); ++truth) matches[best_of(truth).index] = truth;
  }

  const at::Tensor truth_;
  const BoxColumns anchors_;
  std::vector<Best> best_;        // of each anchor: the ground-truth box
  std::vector<Best> block_best_;  // blocks x truths: the anchor
};

at::Tensor all_background(const at::Tensor& like, int64_t count) {
  return at::full({count}, kBelowLowThreshold, like.options().dtype(at::kLong));
}

}  // namespace

at::Tensor match_quality(const at::Tensor& quality, const MatchRule& rule) {
  TORCH_CHECK(quality.dim() == 2 && quality.is_floating_point(),
              "the quality of matches must be floating point of shape ground truth x anchors, got ",
              quality.scalar_type(), " of shape ", quality.sizes());
  check_rule(rule);
  if (quality.numel() == 0) return all_background(quality, quality.size(1));
  const auto [values, best] = at::max(quality, /*dim=*/0);
  const at::Tensor matches =
      at::where(values.lt(rule.low_threshold), kBelowLowThreshold,
                at::where(values.lt(rule.high_threshold), kBetweenThresholds, best));
  if (rule.low_quality == LowQuality::kRestoreTies) {
    const at::Tensor highest = at::amax(quality, /*dim=*/1, /*keepdim=*/true);
    return at::where(quality.eq(highest).any(/*dim=*/0), best, matches);
  }
  if (rule.low_quality == LowQuality::kForceBest) {
    // The largest index is the last write, on any device.
    const at::Tensor forced =
        all_background(quality, quality.size(1))
            .scatter_reduce_(0, std::get<1>(at::max(quality, /*dim=*/1)),
                             at::arange(quality.size(0), matches.options()), "amax");
    return at::where(forced.ge(0), forced, matches);
  }
  return matches;
}

at::Tensor match_boxes(const at::Tensor& ground_truth, const at::Tensor& anchors,
                       const MatchRule& rule) {
  const auto is_plain = [](const at::Tensor& boxes) {
    return boxes.is_cpu() && boxes.scalar_type() == at::kFloat && boxes.dim() == 2 &&
           boxes.size(1) == 4;
  };
  if (!is_plain(ground_truth) || !is_plain(anchors)) {
    return match_quality(box_iou(ground_truth, anchors), rule);
  }
  check_rule(rule);
  if (ground_truth.size(0) == 0 || anchors.size(0) == 0) {
    return all_background(anchors, anchors.size(0));
  }
  return BlockMatcher(ground_truth.detach(), anchors.detach()).matches(rule);
}

}  // namespace torchdet::detection
