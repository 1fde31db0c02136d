#include "nccl.h"

#include <c10/core/DeviceGuard.h>

#include <cstring>
#include <optional>
#include <vector>

namespace c10::cuda {
class CUDAStream;
}

// torch/csrc/cuda/nccl.h, whose includes need CUDA's headers. Weak: null where libtorch_cuda is not
// open.
#define TORCHDET_WEAK __attribute__((weak, visibility("default")))
namespace torch::cuda::nccl {

struct __attribute__((visibility("default"))) ncclUniqueId {
  char internal[128];
};
using Streams = std::vector<std::optional<c10::cuda::CUDAStream>>;

TORCHDET_WEAK void get_unique_id(ncclUniqueId& id);
TORCHDET_WEAK void* comm_init_rank(int nranks, const ncclUniqueId& comm_id, int rank);
TORCHDET_WEAK void comm_destroy(void* comm);
TORCHDET_WEAK void all_reduce(const std::vector<at::Tensor>& inputs,
                              std::vector<at::Tensor>& outputs, int32_t op, const Streams& streams,
                              const std::vector<void*>& user_comms);

}  // namespace torch::cuda::nccl

namespace torchdet::distributed {
namespace {

namespace nccl = torch::cuda::nccl;

constexpr int32_t kSum = 0;

// No stream given means the current one. The type of an element is not known here, but that of an
// empty vector's memory is.
const nccl::Streams& current_streams() {
  static const std::vector<void*> empty;
  return reinterpret_cast<const nccl::Streams&>(empty);
}

}  // namespace

bool nccl_is_there() {
  return nccl::get_unique_id != nullptr && nccl::comm_init_rank != nullptr &&
         nccl::comm_destroy != nullptr && nccl::all_reduce != nullptr;
}

NcclCommunicator::Id NcclCommunicator::draw_id() {
  nccl::ncclUniqueId drawn;
  nccl::get_unique_id(drawn);
  Id id;
  std::memcpy(id.data(), drawn.internal, id.size());
  return id;
}

NcclCommunicator::NcclCommunicator(int size, int rank, const Id& id, c10::Device device)
    : device_(device) {
  const c10::DeviceGuard guard(device);
  nccl::ncclUniqueId drawn;
  std::memcpy(drawn.internal, id.data(), id.size());
  communicator_ = nccl::comm_init_rank(size, drawn, rank);
}

NcclCommunicator::~NcclCommunicator() {
  if (communicator_ == nullptr) return;
  try {
    const c10::DeviceGuard guard(device_);
    nccl::comm_destroy(communicator_);
  } catch (...) {
    // The process is leaving the group: nobody is left to tell.
  }
}

void NcclCommunicator::sum(const at::Tensor& tensor) {
  const std::vector<at::Tensor> inputs{tensor};
  std::vector<at::Tensor> outputs{tensor};
  nccl::all_reduce(inputs, outputs, kSum, current_streams(), {communicator_});
}

}  // namespace torchdet::distributed
