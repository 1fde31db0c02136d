// The focal loss on the CPU, block by block. Free functions that own nothing.
#pragma once

#include <cstdint>

namespace torchdet::detection {

// One number per logit: its class is negative there, with that weight; or positive, with the
// negated weight; or 0 where it does not count.
using SignedWeight = float;

// Sum of the losses of `count` logits.
double focal_loss_block(const float* logits, const SignedWeight* weights, int64_t count);

// Gradients of factor * that sum.
void focal_loss_block_gradient(const float* logits, const SignedWeight* weights, float factor,
                               int64_t count, float* gradients);

}  // namespace torchdet::detection
