#include "sampler.h"

#include <ATen/ops/nonzero.h>
#include <ATen/ops/randperm.h>
#include <ATen/ops/sort.h>
#include <c10/util/Exception.h>

#include <algorithm>

namespace torchdet::detection {
namespace {

// `count` of the indices (N), drawn without replacement and put back in order.
at::Tensor draw(const at::Tensor& indices, int64_t count, const at::Generator& generator) {
  const at::Tensor order =
      at::randperm(indices.size(0), generator, at::TensorOptions().dtype(at::kLong));
  const at::Tensor drawn = indices.index_select(0, order.narrow(0, 0, count).to(indices.device()));
  return std::get<0>(at::sort(drawn));
}

}  // namespace

Sample sample_balanced(const at::Tensor& labels, const SamplerRule& rule, at::Generator generator) {
  TORCH_CHECK(labels.dim() == 1, "labels to sample from must have one dimension, got shape ",
              labels.sizes());
  const at::Tensor positive = at::nonzero(labels.ge(1)).squeeze(1);
  const at::Tensor negative = at::nonzero(labels.eq(0)).squeeze(1);
  const auto wanted =
      static_cast<int64_t>(static_cast<double>(rule.batch_size) * rule.positive_fraction);
  const int64_t positives = std::min(positive.size(0), wanted);
  const int64_t negatives = std::min(negative.size(0), rule.batch_size - positives);
  Sample sample;
  sample.positive = draw(positive, positives, generator);
  sample.negative = draw(negative, negatives, generator);
  return sample;
}

}  // namespace torchdet::detection
