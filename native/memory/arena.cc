#include "arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>

namespace torchdet::memory {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t(2) << 20;
// Address space costs nothing until it is written to. Where so much of it is refused (a limit on
// the process), segments are as large as they must be.
constexpr size_t kSegment = size_t(4) << 30;
constexpr size_t kSmallSegment = size_t(64) << 20;

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

char* map_pages(size_t bytes) {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return pages == MAP_FAILED ? nullptr : static_cast<char*>(pages);
}

}  // namespace

void* Arena::allocate(size_t bytes) {
  const size_t size = rounded_up(std::max<size_t>(bytes, 1), kPage);
  const std::lock_guard<std::mutex> lock(mutex_);
  // The smallest that fits, at the lowest address: what was in use before is used again, and the
  // untouched end of a segment, the largest free block of all, comes last.
  auto found = by_size_.lower_bound({size, nullptr});
  if (found == by_size_.end()) {
    if (!add_segment(size)) return nullptr;
    found = by_size_.lower_bound({size, nullptr});
  }
  const auto block = blocks_.find(found->second);
  const auto [begin, whole] = std::pair(block->first, block->second.size);
  remove_free(block);
  blocks_[begin] = {size, false};
  if (whole > size) add_free(begin + size, whole - size);
  Segment& segment = segment_of(begin);
  segment.touched = std::max(segment.touched, begin + size);
  return begin;
}

void Arena::release(void* block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = blocks_.find(static_cast<char*>(block));
  char* begin = found->first;
  size_t size = found->second.size;
  const Segment& segment = segment_of(begin);
  if (const auto next = std::next(found);
      next != blocks_.end() && next->second.free && next->first < segment.end) {
    size += next->second.size;
    remove_free(next);
  }
  if (begin > segment.begin) {
    if (const auto before = std::prev(found); before->second.free) {
      begin = before->first;
      size += before->second.size;
      remove_free(before);
    }
  }
  blocks_.erase(found);
  add_free(begin, size);
}

bool Arena::owns(const void* address) const {
  const size_t count = segment_count_.load(std::memory_order_acquire);
  for (size_t i = 0; i < count; ++i) {
    if (address >= segments_[i].begin && address < segments_[i].end) return true;
  }
  return false;
}

void Arena::trim() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [size, begin] : by_size_) {
    Segment& segment = segment_of(begin);
    char* end = std::min(begin + size, segment.touched);
    if (end > begin) madvise(begin, static_cast<size_t>(end - begin), MADV_DONTNEED);
    if (begin + size == segment.end) segment.touched = std::min(segment.touched, begin);
  }
}

bool Arena::add_segment(size_t bytes) {
  const size_t count = segment_count_.load(std::memory_order_relaxed);
  if (count == kMaxSegments) return false;
  for (const size_t least : {kSegment, kSmallSegment}) {
    const size_t size = rounded_up(std::max(bytes, least), kHugePage);
    char* pages = map_pages(size + kHugePage);
    if (pages == nullptr) continue;
    // Whole huge pages only: the odd ends go back.
    const size_t odd =
        rounded_up(reinterpret_cast<size_t>(pages), kHugePage) - reinterpret_cast<size_t>(pages);
    if (odd > 0) munmap(pages, odd);
    munmap(pages + odd + size, kHugePage - odd);
    char* begin = pages + odd;
    madvise(begin, size, MADV_HUGEPAGE);
    segments_[count] = {begin, begin + size, begin};
    segment_count_.store(count + 1, std::memory_order_release);
    add_free(begin, size);
    return true;
  }
  return false;
}

Arena::Segment& Arena::segment_of(const char* address) {
  size_t i = 0;
  while (address < segments_[i].begin || address >= segments_[i].end) ++i;
  return segments_[i];
}

void Arena::add_free(char* begin, size_t size) {
  blocks_[begin] = {size, true};
  by_size_.emplace(size, begin);
}

void Arena::remove_free(Blocks::iterator block) {
  by_size_.erase({block->second.size, block->first});
  blocks_.erase(block);
}

}  // namespace torchdet::memory
