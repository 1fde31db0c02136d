// Carries out the steps of an augmentation on one image or mask. All memory is borrowed for the
// call; in between it allocates what the steps need. Works on the calling thread alone if ATen
// does.
#pragma once

#include "steps.h"

namespace torchdet::augment {

// `pixels`: size.height rows of size.width interleaved RGB pixels. `out` has room for
// size_after(steps, size) of them and does not overlap.
void apply_to_image(const uint8_t* pixels, Size size, const std::vector<Step>& steps, uint8_t* out);

// The same for one byte a pixel: colours stay as they are, what comes in from outside is 0.
void apply_to_mask(const uint8_t* mask, Size size, const std::vector<Step>& steps, uint8_t* out);

}  // namespace torchdet::augment
