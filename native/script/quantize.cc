#include "quantize.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/quantize_per_tensor.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "quantize_sites.h"

namespace torchdet::script {
namespace {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Value;

constexpr double kActivationSteps = 255;
constexpr double kLargestWeight = 127;
// Side of the maps that weights are laid out for. Without one oneDNN lays them out for maps of a
// few pixels, and again at every call for maps that are not.
constexpr int64_t kUsualSide = 56;

// real = scale * (uint8 - zero_point)
struct Grid {
  double scale = 1;
  int64_t zero_point = 0;
};

Grid grid_of(const ActivationRange& range) {
  const double scale = (range.high - range.low) / kActivationSteps;
  return {scale, std::clamp<int64_t>(std::llround(-range.low / scale), 0, 255)};
}

// Bytes of a float tensor on a grid, in the same memory format.
at::Tensor to_bytes(const at::Tensor& tensor, double scale, int64_t zero_point) {
  const at::Tensor quantized = at::quantize_per_tensor(tensor, scale, zero_point, at::kQUInt8);
  // The same memory as plain bytes, which oneDNN's operators take: int_repr() would copy.
  return at::from_blob(
      quantized.data_ptr(), quantized.sizes(), quantized.strides(), [quantized](void*) {},
      at::TensorOptions().dtype(at::kByte));
}

struct QuantizedWeight {
  at::Tensor packed;
  at::Tensor scales;       // per output channel
  at::Tensor zero_points;  // 0 each
};

QuantizedWeight quantize_weight(const QuantizationSite& site, const Grid& input) {
  const at::Tensor weight = torch::jit::toIValue(site.op->input(1))->toTensor().contiguous();
  const int64_t channels = weight.size(0);
  const int64_t each = weight.numel() / std::max<int64_t>(channels, 1);
  const at::Tensor bytes = at::empty(weight.sizes(), at::kChar);
  QuantizedWeight result;
  result.scales = at::empty({channels}, at::kFloat);
  result.zero_points = at::zeros({channels}, at::kInt);
  const float* from = weight.const_data_ptr<float>();
  auto* to = bytes.mutable_data_ptr<int8_t>();
  auto* scales = result.scales.mutable_data_ptr<float>();
  for (int64_t channel = 0; channel < channels; ++channel, from += each, to += each) {
    float largest = 0;
    for (int64_t i = 0; i < each; ++i) largest = std::max(largest, std::abs(from[i]));
    const double scale = largest > 0 ? largest / kLargestWeight : 1;
    for (int64_t i = 0; i < each; ++i)
      to[i] = static_cast<int8_t>(std::lrint(static_cast<double>(from[i]) / scale));
    scales[channel] = static_cast<float>(scale);
  }
  const auto call = [](const char* name, torch::jit::Stack stack) {
    const auto operation = c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
    operation.callBoxed(&stack);
    return stack.at(0).toTensor();
  };
  const auto list = [&](size_t i) { return *torch::jit::toIValue(site.op->input(i)); };
  const auto usual_input = [&] {
    const int64_t channels_in = weight.size(1) * list(6).toInt();
    return std::vector<int64_t>{1, channels_in, kUsualSide, kUsualSide};
  };
  result.packed = site.is_linear() ? call("onednn::qlinear_prepack", {bytes, c10::IValue()})
                                   : call("onednn::qconv_prepack",
                                          {bytes, result.scales, input.scale, input.zero_point,
                                           list(3), list(4), list(5), list(6), usual_input()});
  return result;
}

class Quantizer {
 public:
  Quantizer(Graph& graph, const std::vector<ActivationRange>& ranges, KeptLayers kept)
      : graph_(graph), sites_(find_quantization_sites(graph)) {
    const std::vector<Value*> values = observed_values(sites_);
    if (values.size() != ranges.size()) {
      throw CalibrationError("it has " + std::to_string(ranges.size()) + " ranges for " +
                             std::to_string(values.size()) + " tensors");
    }
    for (size_t i = 0; i < values.size(); ++i)
      if (ranges[i].high > ranges[i].low) grids_.emplace(values[i], grid_of(ranges[i]));
    if (kept == KeptLayers::kLast) drop_last();
    std::erase_if(sites_, [&](const auto& site) { return !grids_.count(site.input()); });
    while (!plan()) {
    }
  }

  void run() {
    // A sum needs the bytes of both sides: a site's turn comes where it ends, not where it begins.
    std::vector<const QuantizationSite*> order;
    for (const QuantizationSite& site : sites_) order.push_back(&site);
    std::sort(order.begin(), order.end(),
              [](const auto* a, const auto* b) { return a->last->isBefore(b->last); });
    for (const QuantizationSite* site : order) rewrite(*site);
    remove_replaced();
  }

 private:
  // Finds out which tensors stay bytes. A sum is only made in bytes: where its result cannot be,
  // the site goes without, and the answer is false, as others may depend on it.
  bool plan() {
    by_op_.clear();
    by_sum_.clear();
    in_bytes_.clear();
    for (const QuantizationSite& site : sites_) {
      by_op_.emplace(site.op, &site);
      if (site.other) by_sum_.emplace(site.op->output()->uses()[0].user, &site);
    }
    for (const QuantizationSite& site : sites_)
      if (grids_.count(site.output()) && read_as_bytes(site.output())) in_bytes_.insert(&site);
    bool complete = true;
    for (QuantizationSite& site : sites_) {
      if (!site.other || (grids_.count(site.other) && in_bytes_.count(&site))) continue;
      site = {site.op, site.op};
      complete = false;
    }
    return complete;
  }

  // A site is the last of its kind where following its result leads to no other.
  void drop_last() {
    std::unordered_set<Value*> inputs;
    for (const QuantizationSite& site : sites_) inputs.insert(site.input());
    std::erase_if(sites_, [&](const QuantizationSite& site) {
      std::unordered_set<Value*> seen;
      return !reaches(site.output(), inputs, seen);
    });
  }

  static bool reaches(Value* value, const std::unordered_set<Value*>& targets,
                      std::unordered_set<Value*>& seen) {
    if (targets.count(value)) return true;
    if (!seen.insert(value).second) return false;
    for (const auto& use : value->uses())
      for (Value* output : use.user->outputs())
        if (reaches(output, targets, seen)) return true;
    return false;
  }

  static bool rearranges(Node* node) {
    return node->outputs().size() == 1 && rearranged_from(node->output());
  }

  bool reads_bytes(const torch::jit::Use& use) const {
    if (by_op_.count(use.user)) return use.offset == 0;
    if (const auto found = by_sum_.find(use.user); found != by_sum_.end())
      return use.user->input(use.offset) == found->second->other;
    if (reads_sizes(use.user)) return true;
    return use.offset == 0 && rearranges(use.user) && read_as_bytes(use.user->output());
  }

  bool read_as_bytes(Value* value) const {
    return !value->uses().empty() && std::all_of(value->uses().begin(), value->uses().end(),
                                                 [&](const auto& use) { return reads_bytes(use); });
  }

  // The float tensor that stands for one of the graph as it was.
  Value* current(Value* value) const {
    const auto found = floats_.find(value);
    return found == floats_.end() ? value : found->second;
  }

  Value* insert(const char* name, const std::vector<Value*>& inputs) {
    Node* node = graph_.create(c10::Symbol::fromQualString(name), inputs);
    return graph_.insertNode(node)->output();
  }

  template <typename T>
  Value* constant(const T& value) {
    return graph_.insertConstant(c10::IValue(value));
  }

  Value* packed_constant(const at::Tensor& tensor) {
    // insertConstant takes no tensors in oneDNN's own layouts.
    Node* node = graph_.create(c10::prim::ConstantMKLDNNTensor);
    node->t_(c10::attr::value, tensor);
    node->output()->setType(c10::TensorType::get());
    return graph_.insertNode(node)->output();
  }

  // The tensor of which `value` has the bytes at other places, where there are any; else null.
  Value* byte_source(Value* value) const {
    Value* before = rearranged_from(value);
    return before && bytes_.count(before) && read_as_bytes(before) ? before : nullptr;
  }

  // A tensor that a site reads, on its grid; made once, where the tensor is made.
  Value* bytes_of(Value* value) {
    if (const auto found = bytes_.find(value); found != bytes_.end()) return found->second;
    Value* before = byte_source(value);
    Value* source = before ? bytes_.at(before) : current(value);
    Node* made = before ? value->node() : source->node();
    torch::jit::WithInsertPoint at(
        made->kind() == c10::prim::Param ? *made->owningBlock()->nodes().begin() : made->next());
    Value* bytes = nullptr;
    if (before) {
      std::vector<Value*> inputs = value->node()->inputs().vec();
      inputs[0] = source;
      bytes = insert(
          is(made, "aten::max_pool2d") ? "quantized::max_pool2d" : "aten::upsample_nearest2d",
          inputs);
      replaced_.push_back(value->node());
    } else {
      const Grid grid = grids_.at(value);
      bytes =
          insert("torchdet::to_bytes", {source, constant(grid.scale), constant(grid.zero_point)});
    }
    bytes_.emplace(value, bytes);
    return bytes;
  }

  Grid grid_read(Value* value) const {
    Value* before = byte_source(value);
    return grids_.at(before ? before : value);
  }

  // The sum is written over its other summand: nobody else may read that afterwards.
  bool last_read_by(Value* value, const QuantizationSite& site) const {
    if (bytes_.at(value)->node()->owningBlock() != site.last->owningBlock()) return false;
    return std::all_of(value->uses().begin(), value->uses().end(), [&](const auto& use) {
      if (const auto reader = by_op_.find(use.user); reader != by_op_.end())
        return reader->second == &site || runs_before(*reader->second, site);
      if (const auto sum = by_sum_.find(use.user); sum != by_sum_.end())
        return sum->second == &site || runs_before(*sum->second, site);
      // What else there is reads the tensor in float32, or its sizes, unless it moves bytes.
      return !rearranges(use.user);
    });
  }

  static bool runs_before(const QuantizationSite& site, const QuantizationSite& other) {
    return site.last->owningBlock() == other.last->owningBlock() && site.last->isBefore(other.last);
  }

  void rewrite(const QuantizationSite& site) {
    const Grid in = grid_read(site.input());
    Value* input = bytes_of(site.input());
    Value* other = site.other ? bytes_of(site.other) : nullptr;
    const bool to_bytes = in_bytes_.count(&site) > 0;
    const Grid out = to_bytes ? grids_.at(site.output()) : Grid();
    const QuantizedWeight weight = quantize_weight(site, in);
    torch::jit::WithInsertPoint at(site.last);
    Value* scale = constant(in.scale);
    Value* zero_point = constant(in.zero_point);
    Value* out_scale = constant(out.scale);
    Value* out_zero_point = constant(out.zero_point);
    Value* dtype = constant(static_cast<int64_t>(to_bytes ? at::kByte : at::kFloat));
    std::vector<Value*> inputs = {input,
                                  scale,
                                  zero_point,
                                  packed_constant(weight.packed),
                                  constant(weight.scales),
                                  constant(weight.zero_points)};
    const auto add = [&](std::initializer_list<Value*> more) { inputs.insert(inputs.end(), more); };
    if (other) {
      if (!last_read_by(site.other, site)) {
        other = insert("aten::clone", {other, graph_.insertConstant(c10::IValue())});
      }
      add({other});
    }
    add({site.op->input(2)});  // the bias
    if (!site.is_linear())
      add({site.op->input(3), site.op->input(4), site.op->input(5), site.op->input(6)});
    add({out_scale, out_zero_point, dtype});
    const char* name = site.is_linear() ? "onednn::qlinear_pointwise" : "onednn::qconv_pointwise";
    if (other) {
      name = "onednn::qconv2d_pointwise";
      const Grid sum = grid_read(site.other);
      add({constant(sum.scale), constant(sum.zero_point), constant(std::string("sum")),
           constant(1.0)});
    }
    add({constant(site.activation.name), insert_scalars(graph_, site.activation.scalars),
         constant(std::string())});
    Value* result = insert(name, inputs);
    if (to_bytes) {
      bytes_.emplace(site.output(), result);
    } else {
      floats_.emplace(site.output(), result);
    }
  }

  void remove_replaced() {
    for (const auto& [before, after] : floats_) before->replaceAllUsesWith(after);
    for (const auto& [before, bytes] : bytes_) give_sizes(before, bytes);
    for (const QuantizationSite& site : sites_) {
      for (Node* node = site.op; node != site.last; node = node->output()->uses()[0].user)
        replaced_.push_back(node);
      replaced_.push_back(site.last);
    }
    // Each loses its readers before its turn comes, in one of the rounds.
    for (bool found = true; found;) {
      found = false;
      for (Node*& node : replaced_) {
        if (!node || node->hasUses()) continue;
        node->destroy();
        node = nullptr;
        found = true;
      }
    }
  }

  // Those who want sizes only get them of the bytes: the floats may not be there any more.
  static void give_sizes(Value* before, Value* bytes) {
    const auto uses = before->uses();
    for (const auto& use : uses)
      if (reads_sizes(use.user) && bytes->node()->isBefore(use.user))
        use.user->replaceInput(0, bytes);
  }

  Graph& graph_;
  std::vector<QuantizationSite> sites_;
  std::unordered_map<Value*, Grid> grids_;
  std::unordered_map<const Node*, const QuantizationSite*> by_op_;
  std::unordered_map<const Node*, const QuantizationSite*> by_sum_;
  std::unordered_set<const QuantizationSite*> in_bytes_;
  std::unordered_map<Value*, Value*> bytes_;
  std::unordered_map<Value*, Value*> floats_;
  std::vector<Node*> replaced_;
};

}  // namespace

void quantize(Graph& graph, const std::vector<ActivationRange>& ranges, KeptLayers kept) {
  Quantizer(graph, ranges, kept).run();
}

TORCH_LIBRARY_FRAGMENT(torchdet, m) {
  m.def("to_bytes(Tensor tensor, float scale, int zero_point) -> Tensor", to_bytes);
}

}  // namespace torchdet::script
