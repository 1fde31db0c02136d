#include "run_length.h"

#include <algorithm>

namespace torchdet::evaluation {
namespace {

// Walks the object runs of a mask as intervals [begin, end) of pixels.
class Intervals {
 public:
  explicit Intervals(RunLengths runs) : next_(runs.begin), end_(runs.end) { advance(); }

  bool there() const { return there_; }
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return finish_; }

  void advance() {
    there_ = end_ - next_ >= 2;
    if (!there_) return;
    begin_ = finish_ + next_[0];
    finish_ = begin_ + next_[1];
    next_ += 2;
  }

 private:
  const uint32_t* next_;
  const uint32_t* end_;
  uint64_t begin_ = 0;
  uint64_t finish_ = 0;
  bool there_ = false;
};

}  // namespace

MaskExtent extent_of(RunLengths runs) {
  MaskExtent extent;
  for (Intervals object(runs); object.there(); object.advance()) {
    const uint64_t length = object.end() - object.begin();
    if (length == 0) continue;
    if (extent.area == 0) extent.first = object.begin();
    extent.area += length;
    extent.last = object.end();
  }
  return extent;
}

uint64_t intersection(RunLengths a, RunLengths b) {
  Intervals left(a), right(b);
  uint64_t shared = 0;
  while (left.there() && right.there()) {
    const uint64_t begin = std::max(left.begin(), right.begin());
    const uint64_t end = std::min(left.end(), right.end());
    if (end > begin) shared += end - begin;
    if (left.end() < right.end()) {
      left.advance();
    } else {
      right.advance();
    }
  }
  return shared;
}

}  // namespace torchdet::evaluation
