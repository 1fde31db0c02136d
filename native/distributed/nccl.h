// Sums of CUDA tensors by NCCL, through what libtorch_cuda exports of it. The addon does not link
// that library: its functions are found where it was opened before the addon, and are not there
// otherwise. A communicator is made by all processes at the same time, and used on one thread.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

namespace torchdet::distributed {

bool nccl_is_there();

class NcclCommunicator {
 public:
  using Id = std::array<char, 128>;
  // One process draws it for all.
  static Id draw_id();

  // Blocks until all `size` processes have come.
  NcclCommunicator(int size, int rank, const Id& id, c10::Device device);
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  // `tensor` (contiguous, on the device) becomes the sum over all processes: on the device's
  // current stream, like any operator.
  void sum(const at::Tensor& tensor);

  // For a group that is over: freeing would wait for processes that are gone.
  void forget() { communicator_ = nullptr; }

 private:
  c10::Device device_;
  void* communicator_;
};

}  // namespace torchdet::distributed
