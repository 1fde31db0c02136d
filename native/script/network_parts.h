// What the networks of one-stage and two-stage detectors share. It owns nothing.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "../detection/network.h"

namespace torchdet::script {

// Runs a backbone on a batch, which comes channels last: the compiled form wants that. torchvision
// computes NCHW, and convolutions of the two layouts round differently: the exact form follows it.
detection::FeatureMaps run_backbone(torch::jit::Module& backbone, const at::Tensor& images,
                                    bool exact);

}  // namespace torchdet::script
