#include "recording.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace torchdet::cuda {
namespace {

using c10::cuda::CUDAStream;

// Graphs of a device share their memory. They may: one runs at a time, what a graph gives is read
// before the next runs, and whatever else must stay was made before it was recorded.
at::cuda::MempoolId_t pool_of(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, at::cuda::MempoolId_t> pools;
  const auto found = pools.find(device);
  if (found != pools.end()) return found->second;
  return pools.emplace(device, at::cuda::graph_pool_handle()).first->second;
}

// Work is recorded on one stream of its own for each device, so that what LibTorch keeps for a
// stream, cuBLAS's workspace among it, is there before it is recorded.
CUDAStream recording_stream(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, CUDAStream> streams;
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(false, device)).first->second;
}

class Graph {
 public:
  explicit Graph(c10::DeviceIndex device)
      : device_(device), before_(c10::cuda::getCurrentCUDAStream(device)) {
    const CUDAStream stream = recording_stream(device);
    before_->synchronize();
    c10::cuda::setCurrentCUDAStream(stream);
  }

  ~Graph() {
    // A recording is lost with the work that failed in it; the stream must be free again.
    if (recording_) attempt([&] { graph_.capture_end(); });
    attempt([&] { leave(); });
  }

  void begin() {
    // Other threads may work on other devices meanwhile.
    graph_.capture_begin(pool_of(device_), cudaStreamCaptureModeThreadLocal);
    recording_ = true;
  }

  void end() {
    recording_ = false;
    graph_.capture_end();
    leave();
  }

  void replay() { graph_.replay(); }

 private:
  // What must not throw on the way out.
  template <typename Step>
  static void attempt(Step step) {
    try {
      step();
    } catch (const c10::Error& error) {
      TORCH_WARN("a recording that was given up: ", error.what_without_backtrace());
    }
  }

  // Back to the stream that was there before, whatever became of the work on this one.
  void leave() {
    if (!before_) return;
    c10::cuda::setCurrentCUDAStream(*before_);
    before_.reset();
    recording_stream(device_).synchronize();
  }

  c10::DeviceIndex device_;
  std::optional<CUDAStream> before_;
  bool recording_ = false;
  at::cuda::CUDAGraph graph_;
};

// The lock guards the list, and what is shared between devices; graphs run without it.
std::mutex mutex;

// Not destroyed at the process's end: CUDA may be gone by then.
std::map<int64_t, std::unique_ptr<Graph>>& graphs() {
  using Graphs = std::map<int64_t, std::unique_ptr<Graph>>;
  static Graphs& opened = *std::make_unique<Graphs>().release();
  return opened;
}

Graph& graph_of(int64_t id) {
  const auto found = graphs().find(id);
  TORCH_CHECK(found != graphs().end(), "there is no recording ", id);
  return *found->second;
}

int64_t open(const at::Tensor& input) {
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::DeviceGuard guard(input.device());
  static int64_t last = 0;
  graphs().emplace(++last, std::make_unique<Graph>(input.device().index()));
  return last;
}

void begin(const at::Tensor& input, int64_t id) {
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::DeviceGuard guard(input.device());
  graph_of(id).begin();
}

void end(const at::Tensor& input, int64_t id) {
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::DeviceGuard guard(input.device());
  graph_of(id).end();
}

void replay(const at::Tensor& input, int64_t id) {
  const c10::DeviceGuard guard(input.device());
  Graph* graph = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    graph = &graph_of(id);
  }
  graph->replay();
}

void drop(const at::Tensor& input, int64_t id) {
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::DeviceGuard guard(input.device());
  graphs().erase(id);
}

}  // namespace

void implement_recordings(torch::Library& library) {
  library.impl("recording_open", TORCH_FN(open));
  library.impl("recording_begin", TORCH_FN(begin));
  library.impl("recording_end", TORCH_FN(end));
  library.impl("recording_replay", TORCH_FN(replay));
  library.impl("recording_drop", TORCH_FN(drop));
}

}  // namespace torchdet::cuda
