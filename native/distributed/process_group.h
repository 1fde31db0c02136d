// The processes of a run that trains in several: LibTorch's c10d underneath. Collectives must be
// called by all processes in the same order, and from one thread. When one fails, here or in
// another process, the group is over: each process gets a PeerLostError at its next or present
// collective.
//
// The group owns its connections and, on rank 0, the store the processes met at. It may be
// destroyed on any thread; what then still runs ends in the background.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace c10d {
class Backend;
class Work;
}  // namespace c10d

namespace torchdet::distributed {

// Called now and then while waiting; throws where nobody wants the result any more.
using Checkpoint = std::function<void()>;

struct Place {
  int rank = 0;
  int size = 1;
  std::string host;  // rank 0's address, numeric
  uint16_t port = 0;
  bool serves = false;        // keep the store in this process
  std::string prefix;         // of keys, for stores that several runs share
  std::string local_address;  // of this machine, for the others to connect to; numeric
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds timeout{};  // of each collective
  bool nccl = false;                    // sum CUDA tensors by NCCL: only where nccl_is_there()
};

// The group could not be formed, or its processes do not fit together.
class GroupError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Another process ended, failed or does not answer.
class PeerLostError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class ProcessGroup {
 public:
  // Waits for all others. Throws GroupError.
  static std::shared_ptr<ProcessGroup> join(const Place& place, const Checkpoint& checkpoint);
  ~ProcessGroup();
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }

  // `tensor` (CPU, contiguous) becomes rank 0's. All throw PeerLostError.
  void broadcast(const at::Tensor& tensor, const Checkpoint& checkpoint);
  // `tensor` (CPU, contiguous, floating) becomes the sum over all processes, once the function that
  // is returned has run. The same bits everywhere. Several may be under way.
  std::function<void(const Checkpoint&)> start_sum(const at::Tensor& tensor);

  // Whether sums of the device's tensors are made on it; else they go through the CPU.
  bool sums_on(c10::Device device) const { return nccl_ && device.is_cuda(); }
  // `tensor` (contiguous, on such a device) becomes the sum over all processes, on the device's
  // current stream. finish_sums() waits for all of them.
  void sum_on_device(const at::Tensor& tensor, const Checkpoint& checkpoint);
  void finish_sums(c10::Device device, const Checkpoint& checkpoint);

  // Everybody's tensor (CPU, contiguous, the same shape everywhere), by rank.
  std::vector<at::Tensor> gather(const at::Tensor& own, const Checkpoint& checkpoint);
  // The same for bytes, as many as each process likes.
  std::vector<at::Tensor> gather_bytes(const at::Tensor& own, const Checkpoint& checkpoint);
  void barrier(const Checkpoint& checkpoint);

  // Ends the group: others get a PeerLostError with the reason. Nothing where it is over already.
  void abandon(const std::string& reason) noexcept;
  // Takes the connections down without a word.
  void close(const std::string& reason) noexcept;

 private:
  struct Connections;

  ProcessGroup(const Place& place, std::unique_ptr<Connections> connections);
  Connections& live() const;
  // Begins a collective; the function that is returned waits for its end.
  std::function<void(const Checkpoint&)> start(
      const std::function<c10::intrusive_ptr<c10d::Work>(c10d::Backend&)>& begin);
  [[noreturn]] void lose(const std::string& what);
  std::string word_of_leaver() const;

  const int rank_;
  const int size_;
  const std::chrono::milliseconds timeout_;
  const bool nccl_;
  std::unique_ptr<Connections> connections_;
  std::string over_;  // why there are no connections any more
};

}  // namespace torchdet::distributed
