// The region proposal network's head at a few places of its maps, with gradients. Its losses look
// at some hundred anchors of the hundreds of thousands there are; all other gradients of the head's
// outputs are 0, and the backward pass of its convolution over whole maps would mostly multiply
// them. Free functions that own nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "network.h"

namespace torchdet::detection {

struct AnchorOutputs {
  at::Tensor objectness;  // R logits
  at::Tensor deltas;      // R x 4
};

// The head's outputs for the anchors `rows` (R int64, into the N*S of FlatHeads). Gradients flow to
// the maps and to the weights. Differs from the head's own outputs by rounding.
AnchorOutputs rpn_head_at(const RpnHeadWeights& weights, const std::vector<at::Tensor>& maps,
                          const at::Tensor& rows);

}  // namespace torchdet::detection
