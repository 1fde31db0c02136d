// The memory of tensors on the CPU: large ones lie in an Arena, which the process keeps until its
// end, small ones where LibTorch puts them.
#pragma once

namespace torchdet::memory {

// Makes it LibTorch's allocator, once a process. What was allocated before stays valid.
void install_allocator();

// Gives memory that no tensor uses back to the kernel. Costs the next work the time of getting it
// again, so it is for when there is none.
void release_unused();

}  // namespace torchdet::memory
