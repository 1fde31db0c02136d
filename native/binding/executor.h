// One owned thread per device and per JavaScript environment, with a FIFO queue. LibTorch's thread
// settings belong to the calling thread, so one thread also keeps one OpenMP team; and neither the
// event loop nor libuv's pool ever waits for tensor work. The environment owns the executor: stop()
// (or the destructor) drops what is queued, lets running work end at its next checkpoint and joins.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace torchdet::binding {

// Work that knows whether anybody still wants it.
class Job {
 public:
  virtual ~Job() = default;
  // On the executor's thread; must not throw.
  virtual void run() = 0;
};

class Executor {
 public:
  // `done` is called on the executor's thread with each job that was run.
  Executor(int threads, std::function<void(std::unique_ptr<Job>)> done);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void enqueue(std::unique_ptr<Job> job);
  void set_threads(int threads) { threads_.store(threads); }
  // True once stop() was called: checkpoints inside running work look at it.
  bool stopping() const { return stopping_.load(); }
  // Starts no more jobs and tells the running one to end, without waiting for either.
  void refuse_work();
  // Waits until no executor of the process runs a job; false where that takes longer.
  static bool wait_until_idle(std::chrono::milliseconds limit);
  // Jobs never run are handed back, to be destroyed by the caller's thread.
  std::deque<std::unique_ptr<Job>> stop();

 private:
  void loop();

  std::function<void(std::unique_ptr<Job>)> done_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::atomic<int> threads_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace torchdet::binding
