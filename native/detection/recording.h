// Device work that is recorded once and then replayed: a GPU starts it as one, instead of some
// hundred kernels one after the other. A recording belongs to the thread of its device, and to the
// addresses of the tensors it was made with: those of its input and its results are written over by
// each replay, all others that it reads must live as long as it does.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>

namespace torchdet::detection {

class Recording {
 public:
  Recording() = default;
  virtual ~Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  virtual void replay() = 0;
};

// Records what `work` gives to the device of `input`: a CUDA graph. Runs `work` once for real
// before, so that nothing is made for the first time while it is recorded; then once for the
// recording, where nothing is computed. The CPU records nothing: there each replay runs `work`
// again. Throws what `work` throws, and c10::Error where the device cannot record it.
std::unique_ptr<Recording> record(const at::Tensor& input, std::function<void()> work);

}  // namespace torchdet::detection
