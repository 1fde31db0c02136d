// Which class is taken for which at one threshold of score, and what becomes of each object and
// detection. The results own their memory.
#pragma once

#include <vector>

#include "types.h"

namespace torchdet::evaluation {

struct ConfusionOptions {
  double score_threshold;
  double overlap_threshold;
};

// Neither right nor wrong: below the score threshold, ignored, or over something ignored.
constexpr int32_t kNotCounted = -2;
// A false detection, or a missed object.
constexpr int32_t kUnmatched = -1;

struct Confusion {
  // (categories + 1) x (categories + 1): rows are what is there, columns what was detected; the
  // last of each is nothing.
  std::vector<int32_t> matrix;
  // Per detection the object it belongs to, and the other way around: indices into the lists.
  std::vector<int32_t> found_matches;
  std::vector<int32_t> truth_matches;
};

/**
 * Image by image, best score first: a detection takes the free object of its class that it overlaps
 * most. Then those left that lie on ignored objects of their class go out, and the others take free
 * objects of other classes.
 */
Confusion confuse(const Dataset& data, const ConfusionOptions& options, Progress progress,
                  const Checkpoint& checkpoint);

}  // namespace torchdet::evaluation
