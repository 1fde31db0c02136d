// Everything the addon keeps for one JavaScript environment (the main thread or a worker): the
// error class, the executors, the channel on which results come back, and the class constructors.
// There are no static references; node destroys the environment's instance with its thread, after a
// cleanup hook has stopped and joined the executors.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "errors.h"
#include "executor.h"

namespace torchdet::binding {

class Environment;

// A job that settles a promise. Made, settled and destroyed on JavaScript's thread; only run() is
// called on another.
class AsyncJob : public Job {
 public:
  AsyncJob(Environment& environment, std::shared_ptr<std::atomic<bool>> cancelled);

  Napi::Promise promise() const { return deferred_.Promise(); }
  // Keeps a JavaScript value alive until the promise is settled.
  void hold(const Napi::Value& value);
  void run() final;
  void settle(Napi::Env env);
  // For a job whose environment is gone: its references end with the environment and must not be
  // touched.
  void abandon();

 protected:
  virtual void execute() = 0;
  virtual Napi::Value result(Napi::Env env) = 0;
  virtual const char* failure_code() const { return "ERR_NATIVE"; }

  // Throws where the call was cancelled or the environment is closing.
  void checkpoint() const;

  Environment& environment_;

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<std::atomic<bool>> cancelled_;
  std::vector<Napi::Reference<Napi::Value>> held_;
  std::unique_ptr<Failure> failure_;
};

// JavaScript references that native code on any thread has finished with: collected here and
// dropped on JavaScript's thread.
class ReleaseList {
 public:
  // `notify` is called, on any thread, when the list gets its first reference and should be
  // drained.
  explicit ReleaseList(std::function<void()> notify) : notify_(std::move(notify)) {}

  void add(napi_ref reference);
  // After close() references are left to the environment's own end.
  void drain(napi_env env);
  void close();

 private:
  std::function<void()> notify_;
  std::mutex mutex_;
  bool closed_ = false;
  std::vector<napi_ref> references_;
};

class Environment {
 public:
  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  explicit Environment(Napi::Env env);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Queues the job on the device's thread and returns its promise.
  Napi::Promise enqueue(const std::string& device, std::unique_ptr<AsyncJob> job);

  Napi::Error make_error(const Failure& failure) const;
  void set_error_class(const Napi::Function& error_class) {
    error_class_ = Napi::Persistent(error_class);
  }
  void set_threads(int threads);
  // For process.exit(), which runs no cleanup hooks: work still running would use LibTorch while
  // its static objects are destroyed. Called when the process begins to exit.
  void prepare_exit();
  bool closing() const { return closing_.load() || exiting_.load(); }
  const std::shared_ptr<ReleaseList>& releases() const { return releases_; }

  // Bytes that this version of Node makes a typed array of.
  size_t largest_array = size_t(1) << 31;

  Napi::FunctionReference tensor_class;
  Napi::FunctionReference module_class;
  Napi::FunctionReference cancel_token_class;
  Napi::FunctionReference optimizer_class;
  Napi::FunctionReference ema_class;
  Napi::FunctionReference process_group_class;

 private:
  static void call_js(Napi::Env env, Napi::Function, Environment* self, AsyncJob* job);
  static void on_cleanup(Environment* self) { self->close(); }
  void close();
  Executor& executor(const std::string& device);

  using Channel = Napi::TypedThreadSafeFunction<Environment, AsyncJob, call_js>;

  Napi::Env env_;
  Napi::FunctionReference error_class_;
  Channel channel_;
  std::map<std::string, std::unique_ptr<Executor>> executors_;
  std::shared_ptr<ReleaseList> releases_;
  std::atomic<bool> closing_{false};
  std::atomic<bool> exiting_{false};
  int threads_;
  size_t pending_ = 0;
};

// A job from two functions: `work` runs on the device's thread, `convert` makes its result a
// JavaScript value. `work` may take the job's checkpoint function.
template <typename Work, typename Convert>
class FunctionJob final : public AsyncJob {
 public:
  FunctionJob(Environment& environment, std::shared_ptr<std::atomic<bool>> cancelled,
              const char* failure_code, Work work, Convert convert)
      : AsyncJob(environment, std::move(cancelled)),
        failure_code_(failure_code),
        work_(std::move(work)),
        convert_(std::move(convert)) {}

 private:
  using Result = std::invoke_result_t<Work, const std::function<void()>&>;

  void execute() override {
    result_.reset(new Result(work_([this] { checkpoint(); })));
  }
  Napi::Value result(Napi::Env env) override { return convert_(env, *result_); }
  const char* failure_code() const override { return failure_code_; }

  const char* failure_code_;
  Work work_;
  Convert convert_;
  std::unique_ptr<Result> result_;
};

struct JobOptions {
  const char* failure_code = "ERR_NATIVE";
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::vector<Napi::Value> hold;
};

template <typename Work, typename Convert>
Napi::Promise run_on_device(Environment& environment, const std::string& device, Work work,
                            Convert convert, const JobOptions& options = {}) {
  auto job = std::make_unique<FunctionJob<Work, Convert>>(
      environment, options.cancelled, options.failure_code, std::move(work), std::move(convert));
  for (const Napi::Value& value : options.hold) job->hold(value);
  return environment.enqueue(device, std::move(job));
}

// For work without a result.
struct Done {};
inline Napi::Value done_to_js(Napi::Env env, const Done&) { return env.Undefined(); }

}  // namespace torchdet::binding
