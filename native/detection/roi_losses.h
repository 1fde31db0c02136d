// What the box branch of the RoI heads is trained by, as torchvision's RoIHeads. Free functions
// that own nothing. Gradients flow to the networks' outputs; sampling is done without.
//
// Images that do not mark every class are read as labelled_classes.h says, for a softmax: a
// background RoI is background rather than one of the marked classes, and where an image marks
// none, it has no background RoIs.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "config.h"
#include "types.h"

namespace torchdet::detection {

// The RoIs of one image that count in the losses, in the order of the proposals.
struct RoiSample {
  at::Tensor boxes;    // R x 4
  at::Tensor labels;   // R int64, 0 the background
  at::Tensor matches;  // R int64: which box of the target; of no meaning for the background
};

// The part of each sample that has a box.
std::vector<RoiSample> positive_rois(const std::vector<RoiSample>& samples);

std::vector<at::Tensor> boxes_of(const std::vector<RoiSample>& samples);

// From each image's proposals and, after them, its ground truth. Draws from the generator image by
// image. Call it with gradients off.
std::vector<RoiSample> sample_rois(const std::vector<at::Tensor>& proposals,
                                   const std::vector<Target>& targets, const RoiHeadsConfig& config,
                                   const at::Generator& generator);

struct BoxLosses {
  at::Tensor classifier;  // cross entropy, mean over the samples
  at::Tensor box_reg;     // smooth L1 (beta 1/9) of the positive ones, by the number of all samples
};

// Class logits R x C and box regression R x 4C of the samples of all images. Throws TargetError for
// labels that are not 1 to C - 1.
BoxLosses box_losses(const at::Tensor& class_logits, const at::Tensor& box_regression,
                     const std::vector<RoiSample>& samples, const std::vector<Target>& targets,
                     const RoiHeadsConfig& config);

}  // namespace torchdet::detection
