#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstring>

#include "arena.h"

namespace torchdet::memory {
namespace {

// Smaller ones come and go in glibc's heap at no great cost. Larger ones are left to it for the
// sake of its refusal, where there cannot be so much memory: the arena's address space is promised
// without asking for memory.
constexpr size_t kSmallest = size_t(128) << 10;
constexpr size_t kLargest = size_t(1) << 30;

// Never destroyed: tensors may outlive every static object.
Arena& arena() {
  static Arena& instance = *new Arena;
  return instance;
}

void deallocate(void* address) {
  if (arena().owns(address)) {
    arena().release(address);
  } else {
    c10::free_cpu(address);
  }
}

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* data = nullptr;
    if (bytes >= kSmallest && bytes <= kLargest) data = arena().allocate(bytes);
    if (data == nullptr) data = c10::alloc_cpu(bytes);
    return {data, data, &deallocate, c10::Device(c10::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &deallocate; }

  void copy_data(void* destination, const void* source, size_t bytes) const override {
    std::memcpy(destination, source, bytes);
  }
};

}  // namespace

void install_allocator() {
  static const bool installed = [] {
    c10::SetCPUAllocator(new Allocator, /*priority=*/1);
    return true;
  }();
  static_cast<void>(installed);
}

void release_unused() { arena().trim(); }

}  // namespace torchdet::memory
