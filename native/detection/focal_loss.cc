#include "focal_loss.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "focal_loss_kernel.h"
#include "matcher.h"

namespace torchdet::detection {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr float kPositiveWeight = 0.25f;  // alpha
constexpr float kNegativeWeight = 1 - kPositiveWeight;

// The batch cut into blocks of whole places of one image, whose weights stay in the first cache.
class Blocks {
 public:
  Blocks(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& counted)
      : places_(logits.size(1)),
        classes_(logits.size(2)),
        block_places_(std::max<int64_t>(1, kBlock / std::max<int64_t>(1, classes_))),
        per_image_((places_ + block_places_ - 1) / block_places_),
        count_(logits.size(0) * per_image_),
        labels_(labels.const_data_ptr<int64_t>()),
        object_negatives_(classes_, kNegativeWeight),
        background_negatives_(logits.size(0) * classes_, kNegativeWeight) {
    if (!counted.defined()) return;
    const bool* counts = counted.const_data_ptr<bool>();
    for (size_t i = 0; i < background_negatives_.size(); ++i)
      if (!counts[i]) background_negatives_[i] = 0;
  }

  int64_t count() const { return count_; }
  int64_t image(int64_t block) const { return block / per_image_; }

  // work(block, first logit, number of logits, their weights), on all threads.
  template <typename Work>
  void for_each(const Work& work) const {
    at::parallel_for(0, count_, /*grain_size=*/4, [&](int64_t begin, int64_t end) {
      std::vector<SignedWeight> weights(block_places_ * classes_);
      for (int64_t block = begin; block < end; ++block) {
        const int64_t start = block % per_image_ * block_places_;
        const int64_t places = std::min(block_places_, places_ - start);
        const int64_t first_place = image(block) * places_ + start;
        for (int64_t i = 0; i < places; ++i)
          weigh(image(block), labels_[first_place + i], weights.data() + i * classes_);
        work(block, first_place * classes_, places * classes_, weights.data());
      }
    });
  }

 private:
  static constexpr int64_t kBlock = 4096;  // logits

  void weigh(int64_t image, int64_t label, SignedWeight* weights) const {
    if (label == kBetweenThresholds) {
      std::fill_n(weights, classes_, 0.0f);
    } else if (label == kBelowLowThreshold) {
      std::copy_n(background_negatives_.data() + image * classes_, classes_, weights);
    } else {
      std::copy_n(object_negatives_.data(), classes_, weights);
      weights[label] = -kPositiveWeight;
    }
  }

  int64_t places_, classes_, block_places_, per_image_, count_;
  const int64_t* labels_;
  std::vector<SignedWeight> object_negatives_;      // classes
  std::vector<SignedWeight> background_negatives_;  // images x classes
};

at::Tensor sums_in_one_pass(const at::Tensor& logits, const at::Tensor& labels,
                            const at::Tensor& counted) {
  const Blocks blocks(logits, labels, counted);
  const float* values = logits.const_data_ptr<float>();
  std::vector<double> found(blocks.count());
  blocks.for_each([&](int64_t block, int64_t first, int64_t count, const SignedWeight* weights) {
    found[block] = focal_loss_block(values + first, weights, count);
  });
  // In the order of the blocks, so that the number of threads does not show.
  std::vector<double> totals(logits.size(0));
  for (int64_t block = 0; block < blocks.count(); ++block)
    totals[blocks.image(block)] += found[block];
  at::Tensor sums = at::empty({logits.size(0)}, logits.options());
  std::copy(totals.begin(), totals.end(), sums.mutable_data_ptr<float>());
  return sums;
}

class FocalLossSums : public torch::autograd::Function<FocalLossSums> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& labels, const std::optional<at::Tensor>& counted) {
    const at::Tensor marked = counted.value_or(at::Tensor());
    context->save_for_backward({logits, labels, marked});
    return sums_in_one_pass(logits, labels, marked);
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& logits = saved[0];
    const Blocks blocks(logits, saved[1], saved[2]);
    const at::Tensor factors = grads[0].contiguous();
    at::Tensor gradient = at::empty_like(logits);
    const float* values = logits.const_data_ptr<float>();
    const float* factor = factors.const_data_ptr<float>();
    float* out = gradient.mutable_data_ptr<float>();
    blocks.for_each([&](int64_t block, int64_t first, int64_t count, const SignedWeight* weights) {
      focal_loss_block_gradient(values + first, weights, factor[blocks.image(block)], count,
                                out + first);
    });
    return {gradient, at::Tensor(), at::Tensor()};
  }
};

// torchvision's arithmetic, for any device and dtype.
at::Tensor sums_of_operations(const at::Tensor& logits, const at::Tensor& labels,
                              const at::Tensor& counted) {
  const at::Tensor object = labels.ge(0).unsqueeze(2);
  const at::Tensor target =
      at::zeros_like(logits).scatter_(2, labels.clamp_min(0).unsqueeze(2), object.to(logits));
  const at::Tensor p = at::sigmoid(logits);
  const at::Tensor cross_entropy =
      at::binary_cross_entropy_with_logits(logits, target, {}, {}, at::Reduction::None);
  const at::Tensor wrong = 1 - (p * target + (1 - p) * (1 - target));
  const at::Tensor alpha = kPositiveWeight * target + kNegativeWeight * (1 - target);
  at::Tensor counts = labels.ne(kBetweenThresholds).unsqueeze(2);
  if (counted.defined()) counts = counts.logical_and(object.logical_or(counted.unsqueeze(1)));
  const at::Tensor loss = alpha * cross_entropy * wrong * wrong;
  return at::where(counts, loss, at::zeros_like(loss)).sum({1, 2});
}

}  // namespace

at::Tensor focal_loss_sums(const at::Tensor& logits, const at::Tensor& labels,
                           const at::Tensor& counted) {
  TORCH_CHECK(logits.dim() == 3 && labels.dim() == 2 && labels.scalar_type() == at::kLong &&
                  labels.size(0) == logits.size(0) && labels.size(1) == logits.size(1),
              "labels ", labels.scalar_type(), " of shape ", labels.sizes(),
              " do not fit logits of shape ", logits.sizes(),
              "; wanted are images x places int64 for images x places x classes");
  TORCH_CHECK(!counted.defined() ||
                  (counted.scalar_type() == at::kBool && counted.dim() == 2 &&
                   counted.size(0) == logits.size(0) && counted.size(1) == logits.size(2)),
              "the classes that count must be bool, images x classes");
  TORCH_CHECK(labels.numel() == 0 || (labels.min().item<int64_t>() >= kBetweenThresholds &&
                                      labels.max().item<int64_t>() < logits.size(2)),
              "labels must be -2 to ", logits.size(2) - 1);
  if (!logits.is_cpu() || logits.scalar_type() != at::kFloat)
    return sums_of_operations(logits, labels, counted);
  std::optional<at::Tensor> marked;
  if (counted.defined()) marked = counted.contiguous();
  return FocalLossSums::apply(logits.contiguous(), labels.contiguous(), marked);
}

}  // namespace torchdet::detection
