// What the region proposal network is trained by, as torchvision's RegionProposalNetwork. Free
// functions that own nothing. Gradients flow to the heads' outputs; matching and sampling are done
// without.
//
// Where an image does not mark every class (Target::labelled_classes), an anchor without a box may
// hold an object nobody marked, and objectness knows no classes. So such an anchor counts as a
// negative only while the network itself takes it for background (a logit of at most 0), and not at
// all where the image marks no class.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

// The sampled anchors of the batch among its N*S, and the deltas the positive ones should get.
struct AnchorSamples {
  at::Tensor positive;  // P int64
  at::Tensor negative;  // int64
  at::Tensor deltas;    // P x 4

  // The positive ones first.
  at::Tensor rows() const;
};

// `objectness` N*S logits, `anchors` S x 4, the same for every image; targets in pixels of the
// resized images. Draws from the generator image by image. Call it with gradients off.
AnchorSamples sample_anchors(const at::Tensor& objectness, const at::Tensor& anchors,
                             const std::vector<Target>& targets, const RpnConfig& config,
                             const at::Generator& generator);

struct RpnLosses {
  at::Tensor objectness;  // binary cross entropy, mean over the sampled anchors of the batch
  at::Tensor box_reg;     // smooth L1 (beta 1/9) of the positive ones, by the number of all sampled
};

// `objectness` (R) and `deltas` (R x 4) of the sampled anchors, in the order of rows().
RpnLosses rpn_losses(const at::Tensor& objectness, const at::Tensor& deltas,
                     const AnchorSamples& samples);

}  // namespace torchdet::detection
