// Masks as COCO's runs: alternately background and object, column by column from the upper left
// corner, the first one background. Views only.
#pragma once

#include <cstdint>

namespace torchdet::evaluation {

struct RunLengths {
  const uint32_t* begin;
  const uint32_t* end;
};

// Area in pixels, and the first and the last pixel of the object, counted down the columns.
struct MaskExtent {
  uint64_t area = 0;
  uint64_t first = 0;
  uint64_t last = 0;  // one past the last
};

MaskExtent extent_of(RunLengths runs);

// How many pixels two masks of the same image share.
uint64_t intersection(RunLengths a, RunLengths b);

}  // namespace torchdet::evaluation
