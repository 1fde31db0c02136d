// Which anchors or proposals of an image count in the loss, as torchvision's
// BalancedPositiveNegativeSampler. Free functions that own nothing.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace torchdet::detection {

struct SamplerRule {
  int64_t batch_size;        // wanted in all, per image
  double positive_fraction;  // of them at most; negatives fill up what is missing
};

// Indices, int64, ascending.
struct Sample {
  at::Tensor positive;
  at::Tensor negative;
};

// labels (N, any dtype): from 1 on positive, 0 negative, others ignored. Draws randperm(positives)
// and then randperm(negatives) from a CPU generator, also where there are none: torchvision's
// numbers on the CPU, and the same on every device.
Sample sample_balanced(const at::Tensor& labels, const SamplerRule& rule, at::Generator generator);

}  // namespace torchdet::detection
