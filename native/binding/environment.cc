#include "environment.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace torchdet::binding {

AsyncJob::AsyncJob(Environment& environment, std::shared_ptr<std::atomic<bool>> cancelled)
    : environment_(environment),
      deferred_(Napi::Promise::Deferred::New(environment.tensor_class.Env())),
      cancelled_(std::move(cancelled)) {}

void AsyncJob::hold(const Napi::Value& value) {
  held_.push_back(Napi::Reference<Napi::Value>::New(value, 1));
}

void AsyncJob::checkpoint() const {
  if (environment_.closing()) throw CodedError("ERR_ABORTED", "The process or worker is closing.");
  if (cancelled_ && cancelled_->load()) throw CodedError("ERR_ABORTED", "The call was aborted.");
}

void AsyncJob::run() {
  try {
    checkpoint();
    execute();
  } catch (...) {
    failure_ = std::make_unique<Failure>(to_failure(std::current_exception(), failure_code()));
  }
}

void AsyncJob::settle(Napi::Env env) {
  Napi::HandleScope scope(env);
  held_.clear();
  if (!failure_) {
    try {
      deferred_.Resolve(result(env));
      return;
    } catch (const Napi::Error& error) {
      deferred_.Reject(error.Value());
      return;
    } catch (...) {
      failure_ = std::make_unique<Failure>(to_failure(std::current_exception(), failure_code()));
    }
  }
  deferred_.Reject(environment_.make_error(*failure_).Value());
}

void AsyncJob::abandon() {
  for (auto& reference : held_) reference.SuppressDestruct();
}

void ReleaseList::add(napi_ref reference) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  references_.push_back(reference);
  if (references_.size() == 1) notify_();
}

void ReleaseList::drain(napi_env env) {
  std::vector<napi_ref> references;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    references.swap(references_);
  }
  for (napi_ref reference : references) napi_delete_reference(env, reference);
}

void ReleaseList::close() {
  std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  references_.clear();
}

Environment::Environment(Napi::Env env)
    : env_(env), threads_(static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))) {
  channel_ = Channel::New(env, "torchdet", /*maxQueueSize=*/0, /*initialThreadCount=*/1, this);
  channel_.Unref(env);
  releases_ = std::make_shared<ReleaseList>([this] { channel_.NonBlockingCall(nullptr); });
  // Added after the channel's own hook, so it runs before: no executor can call a closed channel.
  env.AddCleanupHook(on_cleanup, this);
}

Environment::~Environment() { close(); }

Napi::Promise Environment::enqueue(const std::string& device, std::unique_ptr<AsyncJob> job) {
  releases_->drain(env_);
  const Napi::Promise promise = job->promise();
  // First: where the system refuses a thread, there is nothing to wait for.
  Executor& thread = executor(device);
  // A promise somebody waits for keeps the process alive, an idle executor does not.
  if (pending_++ == 0) channel_.Ref(env_);
  thread.enqueue(std::move(job));
  return promise;
}

Executor& Environment::executor(const std::string& device) {
  const auto found = executors_.find(device);
  if (found != executors_.end()) return *found->second;
  auto executor = std::make_unique<Executor>(threads_, [this](std::unique_ptr<Job> job) {
    auto* done = static_cast<AsyncJob*>(job.release());
    // Refused only while closing.
    if (channel_.BlockingCall(done) == napi_ok) return;
    done->abandon();
    delete done;
  });
  return *executors_.emplace(device, std::move(executor)).first->second;
}

void Environment::call_js(Napi::Env env, Napi::Function, Environment* self, AsyncJob* job) {
  std::unique_ptr<AsyncJob> owned(job);
  if (!owned) {
    if (static_cast<napi_env>(env) != nullptr) self->releases_->drain(env);
    return;
  }
  if (static_cast<napi_env>(env) == nullptr) {
    owned->abandon();
    return;
  }
  try {
    owned->settle(env);
  } catch (const Napi::Error&) {
    // JavaScript cannot run any more: its worker is being terminated, and nobody is left to tell.
  }
  owned.reset();
  self->releases_->drain(env);
  if (--self->pending_ == 0) self->channel_.Unref(env);
}

Napi::Error Environment::make_error(const Failure& failure) const {
  if (error_class_.IsEmpty()) return Napi::Error::New(env_, failure.code + ": " + failure.message);
  const Napi::Object error = error_class_.New(
      {Napi::String::New(env_, failure.code), Napi::String::New(env_, failure.message)});
  return Napi::Error(env_, error);
}

void Environment::set_threads(int threads) {
  threads_ = threads;
  for (auto& [device, executor] : executors_) executor->set_threads(threads);
}

void Environment::prepare_exit() {
  exiting_.store(true);
  for (auto& [device, executor] : executors_) executor->refuse_work();
  // Registered this late, the handler comes before the destructors of everything loaded until now.
  // Work ends at its next stage, which may be seconds away, and process.exit() means now: after a
  // moment the process ends without the destructors.
  on_exit(
      [](int status, void*) {
        if (Executor::wait_until_idle(std::chrono::milliseconds(50))) return;
        std::fflush(nullptr);
        _exit(status);
      },
      nullptr);
}

void Environment::close() {
  if (closing_.exchange(true)) return;
  for (auto& [device, executor] : executors_) {
    // Promises of work that never ran stay pending: the code that would hear of it is ending too.
    for (auto& job : executor->stop()) static_cast<AsyncJob&>(*job).abandon();
  }
  executors_.clear();
  releases_->close();
}

}  // namespace torchdet::binding
