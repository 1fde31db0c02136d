// Brightness, contrast, saturation, hue and the order of channels of 8-bit RGB pixels, with
// torchvision's numbers: those of its functions for uint8 tensors. Memory is borrowed.
#pragma once

#include "steps.h"

namespace torchdet::augment {

// Changes `count` interleaved RGB pixels in place.
void change_colours(const Colour& colour, uint8_t* pixels, int64_t count);

}  // namespace torchdet::augment
