// How TorchScript runs in torchdet: on the plain executor. Shapes change with every image, and the
// profiling executor would run slowly twice and recompile per shape; so its optimisation is off for
// the calling thread while a PlainExecution lives.
#pragma once

namespace torchdet::script {

class PlainExecution {
 public:
  PlainExecution();
  ~PlainExecution();
  PlainExecution(const PlainExecution&) = delete;
  PlainExecution& operator=(const PlainExecution&) = delete;

 private:
  bool optimize_before_;
};

}  // namespace torchdet::script
