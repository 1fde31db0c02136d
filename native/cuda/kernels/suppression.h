// Non-maximum suppression in two steps: which boxes each box would suppress, a bit each, all pairs
// at once; then a scan over the boxes, best first, 64 at a time. Boxes come in segments of equal
// length that do not see each other. Own nothing.
#pragma once

#include <cstdint>

#include "../../ops/host_device.h"

namespace torchdet::cuda {

constexpr int64_t kSuppressionBits = 64;

TORCHDET_HOST_DEVICE inline int64_t suppression_words(int64_t boxes) {
  return (boxes + kSuppressionBits - 1) / kSuppressionBits;
}

template <typename T>
struct OverlapBox {
  T x1, y1, x2, y2, area;
};

template <typename T>
TORCHDET_HOST_DEVICE inline OverlapBox<T> overlap_box(const T* box) {
  return {box[0], box[1], box[2], box[3], (box[2] - box[0]) * (box[3] - box[1])};
}

// IoU, with the CPU's order of operations and its answers for what is not a number.
template <typename T>
TORCHDET_HOST_DEVICE inline T overlap(const OverlapBox<T>& kept, const OverlapBox<T>& other) {
  const T left = kept.x1 < other.x1 ? other.x1 : kept.x1;
  const T top = kept.y1 < other.y1 ? other.y1 : kept.y1;
  const T right = other.x2 < kept.x2 ? other.x2 : kept.x2;
  const T bottom = other.y2 < kept.y2 ? other.y2 : kept.y2;
  const T width = T(0) < right - left ? right - left : T(0);
  const T height = T(0) < bottom - top ? bottom - top : T(0);
  const T intersection = width * height;
  return intersection / (kept.area + other.area - intersection);
}

// Fills `words`: for box i of a segment, bit j of word w says that box w * 64 + j, which comes
// later, overlaps it by more than the threshold.
template <typename T>
struct SuppressionBits {
  const T* boxes;         // segments x size x 4, best first
  const int64_t* counts;  // boxes of each segment that there are; null: all
  int64_t size;
  T threshold;
  uint64_t* words;  // segments x size x suppression_words(size)

  int64_t threads(int64_t segments) const { return segments * size * suppression_words(size); }

  // Neighbouring threads have neighbouring boxes and compare them with the same 64 others.
  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t per_box = suppression_words(size);
    const int64_t row = index % size;
    const int64_t word = index / size % per_box;
    const int64_t segment = index / size / per_box;
    const int64_t count = counts == nullptr ? size : counts[segment];
    const int64_t first = word * kSuppressionBits;
    uint64_t bits = 0;
    if (row < count && first + kSuppressionBits > row + 1 && first < count) {
      const T* data = boxes + segment * size * 4;
      const OverlapBox<T> box = overlap_box(data + row * 4);
      const int64_t last = first + kSuppressionBits < count ? first + kSuppressionBits : count;
      for (int64_t j = first > row ? first : row + 1; j < last; ++j) {
        if (overlap(box, overlap_box(data + j * 4)) > threshold) bits |= uint64_t(1) << (j - first);
      }
    }
    words[(segment * size + row) * per_box + word] = bits;
  }
};

// Goes through a segment's boxes 64 at a time: resolve() decides about those, then merge() marks
// what they suppress among the rest, each word on its own. Between the two all threads of the
// segment wait for one another.
struct SuppressionScan {
  const uint64_t* words;
  const int64_t* counts;
  int64_t size;
  uint64_t* removed;  // segments x suppression_words(size), zeros at first
  bool* kept;         // segments x size

  TORCHDET_HOST_DEVICE int64_t count(int64_t segment) const {
    return counts == nullptr ? size : counts[segment];
  }

  // Word `word` of box `bit` of step `step`.
  TORCHDET_HOST_DEVICE uint64_t bits(int64_t segment, int64_t step, int64_t bit,
                                     int64_t word) const {
    const int64_t row = step * kSuppressionBits + bit;
    if (row >= size) return 0;
    return words[(segment * size + row) * suppression_words(size) + word];
  }

  // The boxes of this step that stay, as bits. `own` holds bits(segment, step, 0..63, step).
  TORCHDET_HOST_DEVICE uint64_t resolve(int64_t segment, int64_t step, const uint64_t* own) const {
    uint64_t gone = removed[segment * suppression_words(size) + step];
    uint64_t stay = 0;
    const int64_t left = count(segment) - step * kSuppressionBits;
    for (int64_t bit = 0; bit < kSuppressionBits && bit < left; ++bit) {
      if (gone >> bit & 1) continue;
      stay |= uint64_t(1) << bit;
      gone |= own[bit];
    }
    return stay;
  }

  TORCHDET_HOST_DEVICE void note(int64_t segment, int64_t step, int64_t bit, uint64_t stay) const {
    const int64_t row = step * kSuppressionBits + bit;
    if (row < size) kept[segment * size + row] = (stay >> bit & 1) != 0;
  }

  TORCHDET_HOST_DEVICE void merge(int64_t segment, int64_t step, int64_t word,
                                  uint64_t stay) const {
    uint64_t gone = 0;
    for (int64_t bit = 0; bit < kSuppressionBits; ++bit) {
      if (stay >> bit & 1) gone |= bits(segment, step, bit, word);
    }
    removed[segment * suppression_words(size) + word] |= gone;
  }
};

}  // namespace torchdet::cuda
