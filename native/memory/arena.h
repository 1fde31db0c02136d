// A heap for large blocks. What is released is kept and handed out again: glibc returns such blocks
// to the kernel, which then fills every page with zeros before it hands it out anew, and that costs
// more than many an operation that uses them. The arena owns address space, taken from the kernel
// a segment at a time and never returned; trim() returns the memory behind it. Any thread may call.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace torchdet::memory {

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Aligned to a page, of unspecified content; null where the kernel gives no address space.
  void* allocate(size_t bytes);
  void release(void* block);
  // Whether the address is one of a block of the arena.
  bool owns(const void* address) const;
  // Gives the memory of all free blocks back to the kernel.
  void trim();

 private:
  struct Segment {
    char* begin = nullptr;
    char* end = nullptr;
    char* touched = nullptr;  // nothing from here on was ever handed out since the last trim
  };
  struct Block {
    size_t size;
    bool free;
  };
  using Blocks = std::map<char*, Block>;

  static constexpr size_t kMaxSegments = 256;

  bool add_segment(size_t bytes);
  Segment& segment_of(const char* address);
  void add_free(char* begin, size_t size);
  void remove_free(Blocks::iterator block);

  std::mutex mutex_;
  std::array<Segment, kMaxSegments> segments_;
  std::atomic<size_t> segment_count_{0};
  Blocks blocks_;                               // all, by address, without gaps within a segment
  std::set<std::pair<size_t, char*>> by_size_;  // the free ones
};

}  // namespace torchdet::memory
