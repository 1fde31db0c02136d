#include "executor.h"

#include <ATen/Parallel.h>

#include "../memory/allocator.h"
#include "../script/execution.h"

namespace torchdet::binding {
namespace {

// Memory between calls is kept for the next for this long: getting a gigabyte anew costs a large
// model's next call 5 % of its time, and half where a virtual machine's host takes at once what its
// guest gives back.
constexpr std::chrono::seconds kIdle{30};

// Jobs running in the whole process: what its end has to wait for.
std::atomic<int> running_jobs{0};

}  // namespace

Executor::Executor(int threads, std::function<void(std::unique_ptr<Job>)> done)
    : done_(std::move(done)), threads_(threads), thread_([this] { loop(); }) {}

Executor::~Executor() { stop(); }

void Executor::enqueue(std::unique_ptr<Job> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Executor::refuse_work() {
  std::lock_guard<std::mutex> lock(mutex_);
  stopping_.store(true);
}

bool Executor::wait_until_idle(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (running_jobs.load() > 0) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

std::deque<std::unique_ptr<Job>> Executor::stop() {
  std::deque<std::unique_ptr<Job>> left;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_.store(true);
    left.swap(queue_);
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  return left;
}

void Executor::loop() {
  script::PlainExecution plain;
  int threads = 0;
  bool worked = false;
  while (true) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      const auto called = [this] { return stopping_.load() || !queue_.empty(); };
      if (worked && !wake_.wait_for(lock, kIdle, called)) {
        worked = false;
        lock.unlock();
        memory::release_unused();
        lock.lock();
      }
      wake_.wait(lock, called);
      if (stopping_.load()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      ++running_jobs;
    }
    if (const int wanted = threads_.load(); wanted != threads) {
      at::set_num_threads(wanted);
      threads = wanted;
    }
    job->run();
    worked = true;
    done_(std::move(job));
    --running_jobs;
  }
}

}  // namespace torchdet::binding
