// A network's work on batches of the same shape, recorded when it comes again (recording.h). Owns
// the recordings, their inputs and their results; belongs to one form of a network, which must
// outlive it, and to its device's thread.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>

#include <functional>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "recording.h"
#include "types.h"

namespace torchdet::detection {

// What a recording depends on besides the values of its input.
struct ReplayKey {
  std::vector<int64_t> shape;          // of the input
  std::vector<ImageSize> image_sizes;  // before padding
  double score_threshold = 0;

  bool operator==(const ReplayKey& other) const {
    return shape == other.shape && image_sizes == other.image_sizes &&
           score_threshold == other.score_threshold;
  }
};

// Result holds all tensors that the work made and its user reads, and those it took from caches.
template <typename Result>
class Replays {
 public:
  // What `work(input)` gives, by replaying where such work came often enough before. The numbers in
  // it are good until the next call.
  Result run(const at::Tensor& input, ReplayKey key,
             const std::function<Result(const at::Tensor&)>& work) {
    Entry& entry = entry_for(std::move(key));
    if (!entry.recording) {
      if (entry.seen++ < kSeenBefore) return work(input);
      entry.input = at::empty_like(input);
      entry.input.copy_(input);
      entry.recording = record(entry.input, [&entry, work] { entry.result = work(entry.input); });
      limit_recordings();
    } else {
      entry.input.copy_(input);
    }
    entry.recording->replay();
    return entry.result;
  }

 private:
  // Recording costs some runs: not for shapes that come once or twice.
  static constexpr int kSeenBefore = 2;
  // Each holds its input and its results.
  static constexpr size_t kRecordings = 8;
  static constexpr size_t kEntries = 32;

  struct Entry {
    ReplayKey key;
    int seen = 0;
    at::Tensor input;
    Result result;
    std::unique_ptr<Recording> recording;  // goes before what it writes to
  };

  Entry& entry_for(ReplayKey key) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!(entry->key == key)) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front();
    }
    entries_.emplace_front();
    entries_.front().key = std::move(key);
    if (entries_.size() > kEntries) entries_.pop_back();
    return entries_.front();
  }

  // The one used longest ago goes, and must come as often again.
  void limit_recordings() {
    size_t recordings = 0;
    for (Entry& entry : entries_) {
      if (!entry.recording || ++recordings <= kRecordings) continue;
      entry.recording.reset();
      entry.result = Result();
      entry.input = at::Tensor();
      entry.seen = 0;
    }
  }

  std::list<Entry> entries_;  // most recently used first
};

// What `forward(input, image sizes, checkpoint)` gives for a batch: replayed where there are
// `replays`, with no checkpoints inside then. `forward` is kept as long as they are.
template <typename Result, typename Forward>
Result forward_batch(Replays<Result>* replays, const ImageBatch& batch, double score_threshold,
                     const Checkpoint& checkpoint, Forward forward) {
  if (!replays) return forward(batch.tensor, batch.image_sizes, checkpoint);
  return replays->run(batch.tensor,
                      {batch.tensor.sizes().vec(), batch.image_sizes, score_threshold},
                      [forward, sizes = batch.image_sizes](const at::Tensor& input) {
                        return forward(input, sizes, Checkpoint());
                      });
}

}  // namespace torchdet::detection
