#include "process_group.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <c10/core/Event.h>
#include <c10/util/Logging.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <future>
#include <thread>

#include "gloo_backend.h"
#include "nccl.h"
#include "rendezvous.h"

namespace torchdet::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using WorkPtr = c10::intrusive_ptr<c10d::Work>;
using namespace std::chrono_literals;

constexpr const char* kWordKey = "left";  // of the process that ended the group

// On a thread of its own; false where the system has none to give: then it does not happen.
bool in_background(std::function<void()> work) noexcept {
  try {
    std::thread(std::move(work)).detach();
    return true;
  } catch (const std::system_error&) {
    return false;
  }
}

// LibTorch logs a store that does not answer with a stack trace; here that says nothing new. Its
// log is the process's: what others log in these milliseconds is lost, errors apart. Where the
// environment asks for a level, that stays.
class QuietLog {
 public:
  QuietLog() {
    if (std::getenv("TORCH_CPP_LOG_LEVEL") == nullptr) FLAGS_caffe2_log_level = c10::GLOG_ERROR;
  }
  ~QuietLog() { FLAGS_caffe2_log_level = before_; }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;

 private:
  const int before_ = FLAGS_caffe2_log_level;
};

// `look` on a thread of its own, for as long as `patience`: a store whose server hangs never
// answers.
std::string within(std::chrono::milliseconds patience, std::function<std::string()> look) {
  auto answer = std::make_shared<std::promise<std::string>>();
  std::future<std::string> coming = answer->get_future();
  const bool asked = in_background([answer, look = std::move(look)] {
    const QuietLog quiet;
    try {
      answer->set_value(look());
    } catch (const std::exception&) {
      answer->set_value("");  // the store is gone
    }
  });
  if (!asked) return "";
  return coming.wait_for(patience) == std::future_status::ready ? coming.get() : "";
}

// Without the place in LibTorch's source and its backtrace.
std::string plain(const std::string& message) {
  std::string text = message.substr(0, message.find('\n'));
  const size_t place = text.find("] ");
  if (text.starts_with("[") && place != std::string::npos) text.erase(0, place + 2);
  return text;
}

}  // namespace

struct ProcessGroup::Connections {
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> backend;  // null once the group is over
  std::vector<WorkPtr> under_way;
  std::unique_ptr<NcclCommunicator> nccl;  // made when first needed

  bool idle() {
    std::erase_if(under_way, [](const WorkPtr& work) { return work->isCompleted(); });
    return under_way.empty();
  }
};

std::shared_ptr<ProcessGroup> ProcessGroup::join(const Place& place, const Checkpoint& checkpoint) {
  auto connections = std::make_unique<Connections>();
  connections->store = meet(place, checkpoint);
  try {
    connections->backend = make_gloo_backend(connections->store, place.rank, place.size,
                                             place.local_address, place.timeout);
  } catch (const std::exception& error) {
    throw GroupError("the processes found each other, but could not connect over " +
                     place.local_address + ": " + plain(error.what()));
  }
  return std::shared_ptr<ProcessGroup>(new ProcessGroup(place, std::move(connections)));
}

ProcessGroup::ProcessGroup(const Place& place, std::unique_ptr<Connections> connections)
    : rank_(place.rank),
      size_(place.size),
      timeout_(place.timeout),
      nccl_(place.nccl),
      connections_(std::move(connections)) {}

ProcessGroup::~ProcessGroup() { close("it was disposed"); }

void ProcessGroup::close(const std::string& reason) noexcept {
  if (!connections_->backend) return;
  over_ = reason;
  // The backend's destructor waits for all that is under way, which may be until the timeout.
  const auto deadline = Clock::now() + 1s;
  while (!connections_->idle() && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  connections_->nccl.reset();
  if (connections_->idle()) {
    connections_->backend.reset();
    return;
  }
  connections_->under_way.clear();
  auto backend = std::make_shared<c10::intrusive_ptr<c10d::Backend>>();
  connections_->backend.swap(*backend);
  in_background([backend] { backend->reset(); });
}

void ProcessGroup::abandon(const std::string& reason) noexcept {
  if (!connections_->backend) return;
  if (connections_->nccl) connections_->nccl->forget();
  // Only the first one's word stands. Before the connections go: who sees them go asks for it.
  within(1s, [store = connections_->store, reason] {
    const std::vector<uint8_t> word(reason.begin(), reason.end());
    store->compareSet(kWordKey, {}, word);
    return std::string();
  });
  close(reason);
}

std::string ProcessGroup::word_of_leaver() const {
  return within(1s, [store = connections_->store] {
    if (!store->check({kWordKey})) return std::string();
    const std::vector<uint8_t> word = store->get(kWordKey);
    return std::string(word.begin(), word.end());
  });
}

void ProcessGroup::lose(const std::string& what) {
  const std::string word = word_of_leaver();
  const std::string reason =
      word.empty() ? "a process of this run ended or cannot be reached (" + what + ")" : word;
  abandon(word.empty() ? "rank " + std::to_string(rank_) +
                             " lost its connection to another process (" + what + ")"
                       : word);
  throw PeerLostError("rank " + std::to_string(rank_) + " of " + std::to_string(size_) +
                      " cannot go on: " + reason);
}

ProcessGroup::Connections& ProcessGroup::live() const {
  if (!connections_->backend) throw PeerLostError("the process group is over: " + over_);
  return *connections_;
}

std::function<void(const Checkpoint&)> ProcessGroup::start(
    const std::function<WorkPtr(c10d::Backend&)>& begin) {
  Connections& connections = live();
  WorkPtr work;
  try {
    work = begin(*connections.backend);
  } catch (const std::exception& error) {
    lose(plain(error.what()));
  }
  connections.under_way.push_back(work);
  return [this, work](const Checkpoint& checkpoint) {
    live();
    const auto began = Clock::now();
    auto next_look = began + 5s;
    while (!work->isCompleted()) {
      try {
        if (checkpoint) checkpoint();
      } catch (...) {
        abandon("rank " + std::to_string(rank_) + " was told to stop");
        throw;
      }
      const auto now = Clock::now();
      if (now > next_look) {
        const std::string word = word_of_leaver();
        if (!word.empty()) lose(word);
        next_look = now + 5s;
      }
      // Most collectives take less than a millisecond, some minutes.
      std::this_thread::sleep_for(std::clamp<Clock::duration>((now - began) / 10, 20us, 10ms));
    }
    connections_->idle();
    try {
      work->wait();
    } catch (const std::exception& error) {
      lose(plain(error.what()));
    }
  };
}

void ProcessGroup::broadcast(const at::Tensor& tensor, const Checkpoint& checkpoint) {
  start([&](c10d::Backend& backend) {
    std::vector<at::Tensor> tensors{tensor};
    return backend.broadcast(tensors);
  })(checkpoint);
}

std::function<void(const Checkpoint&)> ProcessGroup::start_sum(const at::Tensor& tensor) {
  return start([&](c10d::Backend& backend) {
    std::vector<at::Tensor> tensors{tensor};
    return backend.allreduce(tensors);
  });
}

void ProcessGroup::sum_on_device(const at::Tensor& tensor, const Checkpoint& checkpoint) {
  Connections& connections = live();
  if (!connections.nccl) {
    const at::Tensor id =
        at::zeros({static_cast<int64_t>(NcclCommunicator::Id().size())}, at::kByte);
    if (rank_ == 0) {
      const NcclCommunicator::Id drawn = NcclCommunicator::draw_id();
      std::memcpy(id.mutable_data_ptr(), drawn.data(), drawn.size());
    }
    broadcast(id, checkpoint);
    NcclCommunicator::Id drawn;
    std::memcpy(drawn.data(), id.const_data_ptr(), drawn.size());
    connections.nccl = std::make_unique<NcclCommunicator>(size_, rank_, drawn, tensor.device());
  }
  connections.nccl->sum(tensor);
}

void ProcessGroup::finish_sums(c10::Device device, const Checkpoint& checkpoint) {
  c10::Event done(device.type());
  done.record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  // NCCL waits for ever for a process that has gone; this tells of one that went before its sums
  // began. One that goes within the milliseconds of the sums themselves is noticed by the timeout.
  barrier(checkpoint);
  const auto deadline = Clock::now() + timeout_;
  while (!done.query()) {
    if (checkpoint) checkpoint();
    if (Clock::now() > deadline) lose("NCCL did not end in time");
    std::this_thread::sleep_for(50us);
  }
}

std::vector<at::Tensor> ProcessGroup::gather(const at::Tensor& own, const Checkpoint& checkpoint) {
  std::vector<std::vector<at::Tensor>> outputs(1);
  for (int rank = 0; rank < size_; ++rank) outputs[0].push_back(at::empty_like(own));
  start([&](c10d::Backend& backend) {
    std::vector<at::Tensor> inputs{own};
    return backend.allgather(outputs, inputs);
  })(checkpoint);
  return outputs[0];
}

std::vector<at::Tensor> ProcessGroup::gather_bytes(const at::Tensor& own,
                                                   const Checkpoint& checkpoint) {
  std::vector<int64_t> lengths;
  for (const at::Tensor& length : gather(at::full({1}, own.numel(), at::kLong), checkpoint)) {
    lengths.push_back(length.item<int64_t>());
  }
  // Collectives want tensors of one size.
  at::Tensor padded =
      at::zeros({std::max<int64_t>(1, *std::ranges::max_element(lengths))}, at::kByte);
  padded.narrow(0, 0, own.numel()).copy_(own);
  std::vector<at::Tensor> all = gather(padded, checkpoint);
  for (int rank = 0; rank < size_; ++rank) all[rank] = all[rank].narrow(0, 0, lengths[rank]);
  return all;
}

void ProcessGroup::barrier(const Checkpoint& checkpoint) {
  start([](c10d::Backend& backend) { return backend.barrier(); })(checkpoint);
}

}  // namespace torchdet::distributed
