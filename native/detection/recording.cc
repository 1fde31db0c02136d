#include "recording.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include <utility>

namespace torchdet::detection {
namespace {

template <typename Signature>
auto find(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// Of a device that records, by the operators of its library (native/cuda/recording.cc).
class DeviceRecording : public Recording {
 public:
  explicit DeviceRecording(const at::Tensor& input)
      : input_(input),
        id_(find<int64_t(const at::Tensor&)>("torchdet::recording_open").call(input)) {}

  ~DeviceRecording() override { call("torchdet::recording_drop"); }

  void record(const std::function<void()>& work) {
    work();
    call("torchdet::recording_begin");
    work();
    call("torchdet::recording_end");
  }

  void replay() override { call("torchdet::recording_replay"); }

 private:
  void call(const char* name) const {
    find<void(const at::Tensor&, int64_t)>(name).call(input_, id_);
  }

  at::Tensor input_;  // says which device's operators are meant
  int64_t id_;
};

class Repetition : public Recording {
 public:
  explicit Repetition(std::function<void()> work) : work_(std::move(work)) {}

  void replay() override { work_(); }

 private:
  std::function<void()> work_;
};

}  // namespace

std::unique_ptr<Recording> record(const at::Tensor& input, std::function<void()> work) {
  if (input.is_cpu()) return std::make_unique<Repetition>(std::move(work));
  auto recording = std::make_unique<DeviceRecording>(input);
  recording->record(work);
  return recording;
}

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  // From open to end or drop the device's work goes to a stream of its own.
  m.def("recording_open(Tensor input) -> int");
  m.def("recording_begin(Tensor input, int id) -> ()");
  m.def("recording_end(Tensor input, int id) -> ()");
  m.def("recording_replay(Tensor input, int id) -> ()");
  m.def("recording_drop(Tensor input, int id) -> ()");
}

}  // namespace torchdet::detection
