#include "average.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <deque>

namespace torchdet::distributed {
namespace {

using training::NamedTensor;

constexpr int64_t kBucketBytes = 25 << 20;  // as torch's DistributedDataParallel
constexpr size_t kUnderWay = 2;             // Gloo works with two threads

// FNV-1a over names and shapes.
class Fingerprint {
 public:
  void add(const std::string& text) {
    for (const char letter : text) add_byte(static_cast<uint8_t>(letter));
    add_byte(0);
  }
  void add(const at::Tensor& tensor) {
    for (const int64_t size : tensor.sizes()) add(std::to_string(size));
    add(c10::toString(tensor.scalar_type()));
  }
  int64_t value() const { return static_cast<int64_t>(value_); }

 private:
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3; }

  uint64_t value_ = 0xcbf29ce484222325;
};

// Tensors of one type that travel as one.
using Bucket = std::vector<at::Tensor>;

std::vector<Bucket> buckets_of(const std::vector<at::Tensor>& tensors) {
  std::vector<Bucket> buckets;
  int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) {
    const bool fits = !buckets.empty() && bytes + tensor.nbytes() <= kBucketBytes &&
                      buckets.back().front().scalar_type() == tensor.scalar_type();
    if (!fits) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().push_back(tensor);
    bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return buckets;
}

// On `device`, in the tensors' logical order: strides may differ between processes. A tensor alone
// that is so already is not copied.
at::Tensor flat(const Bucket& bucket, c10::Device device) {
  const at::Tensor& first = bucket.front();
  if (bucket.size() == 1 && first.device() == device && first.is_contiguous())
    return first.view({-1});
  int64_t count = 0;
  for (const at::Tensor& tensor : bucket) count += tensor.numel();
  at::Tensor all = at::empty({count}, first.options().device(device));
  int64_t at = 0;
  for (const at::Tensor& tensor : bucket) {
    all.narrow(0, at, tensor.numel()).view(tensor.sizes()).copy_(tensor);
    at += tensor.numel();
  }
  return all;
}

void spread(const at::Tensor& all, const Bucket& bucket) {
  if (all.is_alias_of(bucket.front())) return;
  int64_t at = 0;
  for (const at::Tensor& tensor : bucket) {
    tensor.copy_(all.narrow(0, at, tensor.numel()).view(tensor.sizes()));
    at += tensor.numel();
  }
}

// Everybody's two numbers.
std::vector<std::pair<int64_t, int64_t>> exchange(ProcessGroup& group, int64_t first,
                                                  int64_t second, const Checkpoint& checkpoint) {
  std::vector<std::pair<int64_t, int64_t>> all;
  for (const at::Tensor& pair : group.gather(at::tensor({first, second}, at::kLong), checkpoint)) {
    const int64_t* numbers = pair.const_data_ptr<int64_t>();
    all.emplace_back(numbers[0], numbers[1]);
  }
  return all;
}

void check_same(const std::vector<std::pair<int64_t, int64_t>>& all, const char* what) {
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank].first == all.front().first) continue;
    throw GroupError("the processes must " + std::string(what) + ": those of rank " +
                     std::to_string(rank) + " are not those of rank 0");
  }
}

// Zeros where another process has a gradient and this one has none.
void fill_in(ProcessGroup& group, const std::vector<at::Tensor>& parameters,
             const Checkpoint& checkpoint) {
  const at::Tensor counts = at::zeros({static_cast<int64_t>(parameters.size())}, at::kLong);
  int64_t* count = counts.mutable_data_ptr<int64_t>();
  for (size_t i = 0; i < parameters.size(); ++i) count[i] = parameters[i].grad().defined();
  group.start_sum(counts)(checkpoint);
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (count[i] > 0 && !parameters[i].grad().defined())
      parameters[i].mutable_grad() = at::zeros_like(parameters[i]);
  }
}

// The parameters that train; all processes are known to have the same ones afterwards, and
// gradients for the same ones of them.
std::vector<at::Tensor> agree(ProcessGroup& group, const training::Optimizer& optimizer,
                              const Checkpoint& checkpoint) {
  std::vector<at::Tensor> parameters;
  Fingerprint model;
  Fingerprint gradients;
  for (const auto& parameter_group : optimizer.groups()) {
    for (const auto& [name, tensor] : parameter_group.parameters) {
      if (!tensor.requires_grad()) continue;
      parameters.push_back(tensor);
      model.add(name);
      model.add(tensor);
      gradients.add(tensor.grad().defined() ? "1" : "0");
    }
  }
  const auto all = exchange(group, model.value(), gradients.value(), checkpoint);
  check_same(all, "train the same parameters");
  for (const auto& theirs : all) {
    if (theirs.second == all.front().second) continue;
    fill_in(group, parameters, checkpoint);
    break;
  }
  return parameters;
}

void average_on_cpu(ProcessGroup& group, const std::vector<at::Tensor>& gradients,
                    const Checkpoint& checkpoint) {
  struct UnderWay {
    Bucket bucket;
    at::Tensor all;
    std::function<void(const Checkpoint&)> finish;
  };
  std::deque<UnderWay> under_way;
  const auto complete_first = [&] {
    const UnderWay first = std::move(under_way.front());
    under_way.pop_front();
    first.finish(checkpoint);
    first.all.div_(group.size());
    spread(first.all, first.bucket);
  };
  for (Bucket& bucket : buckets_of(gradients)) {
    if (under_way.size() == kUnderWay) complete_first();
    at::Tensor all = flat(bucket, c10::kCPU);
    auto finish = group.start_sum(all);
    under_way.push_back({std::move(bucket), std::move(all), std::move(finish)});
  }
  while (!under_way.empty()) complete_first();
}

// All of it is queued on the device's stream, one after the other.
void average_on_device(ProcessGroup& group, const std::vector<at::Tensor>& gradients,
                       c10::Device device, const Checkpoint& checkpoint) {
  for (const Bucket& bucket : buckets_of(gradients)) {
    const at::Tensor all = flat(bucket, device);
    group.sum_on_device(all, checkpoint);
    all.div_(group.size());
    spread(all, bucket);
  }
  group.finish_sums(device, checkpoint);
}

}  // namespace

void average_gradients(ProcessGroup& group, const training::Optimizer& optimizer,
                       const Checkpoint& checkpoint) {
  const c10::AutoGradMode no_gradients(false);
  std::vector<at::Tensor> gradients;
  for (const at::Tensor& parameter : agree(group, optimizer, checkpoint))
    if (parameter.grad().defined()) gradients.push_back(parameter.grad());
  if (gradients.empty()) return;
  const c10::Device device = gradients.front().device();
  if (group.sums_on(device)) {
    average_on_device(group, gradients, device, checkpoint);
  } else {
    average_on_cpu(group, gradients, checkpoint);
  }
}

void copy_from_first(ProcessGroup& group, const std::vector<NamedTensor>& tensors,
                     const Checkpoint& checkpoint) {
  const c10::AutoGradMode no_gradients(false);
  Fingerprint model;
  std::vector<at::Tensor> values;
  for (const auto& [name, tensor] : tensors) {
    model.add(name);
    model.add(tensor);
    values.push_back(tensor.detach());
  }
  check_same(exchange(group, model.value(), 0, checkpoint), "have the same parameters and buffers");
  for (const Bucket& bucket : buckets_of(values)) {
    const at::Tensor all = flat(bucket, c10::kCPU);
    group.broadcast(all, checkpoint);
    if (group.rank() != 0) spread(all, bucket);
  }
}

}  // namespace torchdet::distributed
