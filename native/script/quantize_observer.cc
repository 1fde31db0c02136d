#include "quantize_observer.h"

#include <ATen/ops/aminmax.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>

#include "quantize_sites.h"

namespace torchdet::script {
namespace {

constexpr int64_t kBins = 8192;
constexpr int64_t kSample = 1 << 18;
constexpr int kLevels = 255;

thread_local ActivationObserver* in_scope = nullptr;

void observe(const at::Tensor& tensor, int64_t slot) {
  TORCH_CHECK(in_scope, "an observing graph ran without its observer");
  in_scope->see(slot, tensor);
}

}  // namespace

void ActivationHistogram::reach_at_least(double magnitude) {
  if (bins_.empty()) {
    bins_.assign(kBins, 0);
    reach_ = std::exp2(std::ceil(std::log2(std::max(magnitude, 1e-20))));
  }
  while (reach_ < magnitude) {
    std::vector<double> wider(kBins, 0);
    for (int64_t i = 0; i < kBins; ++i) wider[kBins / 4 + i / 2] += bins_[i];
    bins_ = std::move(wider);
    reach_ *= 2;
  }
}

void ActivationHistogram::add(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return;
  const auto [low_tensor, high_tensor] = at::aminmax(tensor);
  const double low = low_tensor.item().toDouble();
  const double high = high_tensor.item().toDouble();
  TORCH_CHECK(std::isfinite(low) && std::isfinite(high),
              "activations are not finite: there is no range to measure");
  low_ = std::min(low_, low);
  high_ = std::max(high_, high);
  reach_at_least(std::max(-low, high));
  // The tensor is dense in some order, and which does not matter here.
  const at::Tensor flat = tensor.is_non_overlapping_and_dense() ? tensor : tensor.contiguous();
  const float* numbers = flat.const_data_ptr<float>();
  // An odd step meets every channel.
  const int64_t step = std::max<int64_t>(1, flat.numel() / kSample) | 1;
  const double per_bin = kBins / (2 * reach_);
  for (int64_t i = 0; i < flat.numel(); i += step) {
    const auto bin = static_cast<int64_t>((numbers[i] + reach_) * per_bin);
    bins_[std::clamp<int64_t>(bin, 0, kBins - 1)] += 1;
  }
}

double ActivationHistogram::square_error(const ActivationRange& range) const {
  const double scale = (range.high - range.low) / kLevels;
  const double width = 2 * reach_ / kBins;
  // Rounding errs evenly over a step, unless bins are wider than one.
  const double inside = scale * scale / 12;
  double error = 0;
  for (int64_t i = 0; i < kBins; ++i) {
    if (bins_[i] == 0) continue;
    const double value = (i + 0.5) * width - reach_;
    const double outside = std::max({value - range.high, range.low - value, 0.0});
    error += bins_[i] * (outside > 0 ? outside * outside : inside);
  }
  return error;
}

ActivationRange ActivationHistogram::range(RangeMethod method) const {
  const ActivationRange all{low_, high_};
  if (method == RangeMethod::kMinMax || low_ == high_) return all;  // nothing seen: both are 0
  ActivationRange best = all;
  double least = square_error(all);
  const auto consider = [&](const ActivationRange& range) {
    const double error = square_error(range);
    if (error >= least) return;
    least = error;
    best = range;
  };
  // Both ends together, then each alone from there.
  for (int i = 99; i >= 10; --i) consider({all.low * i / 100, all.high * i / 100});
  const ActivationRange both = best;
  if (low_ == 0 || high_ == 0) return best;
  for (int i = 10; i <= 100; ++i) consider({all.low * i / 100, both.high});
  const double low = best.low;
  for (int i = 10; i <= 100; ++i) consider({low, all.high * i / 100});
  return best;
}

ActivationObserver::Scope::Scope(ActivationObserver& observer) { in_scope = &observer; }

ActivationObserver::Scope::~Scope() { in_scope = nullptr; }

void ActivationObserver::watch(const std::string& part, torch::jit::Graph& graph) {
  const std::vector<torch::jit::Value*> values = observed_values(find_quantization_sites(graph));
  parts_.push_back({part, histograms_.size(), values.size()});
  for (torch::jit::Value* value : values) {
    torch::jit::Node* made = value->node();
    torch::jit::WithInsertPoint at(
        made->kind() == c10::prim::Param ? *made->owningBlock()->nodes().begin() : made->next());
    graph.insertNode(
        graph.create(c10::Symbol::fromQualString("torchdet::observe"),
                     {value, graph.insertConstant(static_cast<int64_t>(histograms_.size()))}, 0));
    histograms_.emplace_back();
  }
}

void ActivationObserver::see(int64_t slot, const at::Tensor& tensor) {
  histograms_.at(slot).add(tensor);
}

PartRanges ActivationObserver::ranges(RangeMethod method) const {
  PartRanges result;
  for (const Part& part : parts_) {
    std::vector<ActivationRange>& ranges = result[part.name];
    for (size_t i = part.first; i < part.first + part.count; ++i) {
      ranges.push_back(histograms_[i].range(method));
    }
  }
  return result;
}

TORCH_LIBRARY_FRAGMENT(torchdet, m) { m.def("observe(Tensor tensor, int slot) -> ()", observe); }

}  // namespace torchdet::script
