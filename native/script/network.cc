#include "network.h"

#include <optional>

#include "inference_compiler.h"
#include "network_parts.h"
#include "precision_network.h"
#include "rpn_head.h"

namespace torchdet::script {
namespace {

using torch::jit::Module;

std::vector<at::Tensor> tensors_of(const c10::IValue& value, const char* where) {
  TORCH_CHECK(value.isTensorList(), where, " must return lists of tensors, got ",
              value.type()->str());
  return value.toTensorVector();
}

// A head and the predictor that takes its output; nothing where the module has no such branch.
struct Branch {
  Module head;
  Module predictor;
};

at::Tensor run(std::optional<Branch>& branch, const at::Tensor& pooled, const char* name) {
  TORCH_CHECK(branch, "roi_heads.", name, "_head and roi_heads.", name,
              "_predictor are not modules of this model: it has no ", name, " branch");
  const c10::IValue output = branch->predictor.forward({branch->head.forward({pooled})});
  TORCH_CHECK(output.isTensor(), "roi_heads.", name, "_predictor must return a Tensor, got ",
              output.type()->str());
  return output.toTensor();
}

class ScriptNetwork : public detection::RcnnNetwork {
 public:
  ScriptNetwork(bool exact, Module backbone, Module rpn_head, Module box_head, Module box_predictor,
                std::optional<Branch> mask, std::optional<Branch> keypoint)
      : exact_(exact),
        backbone_(std::move(backbone)),
        rpn_head_(std::move(rpn_head)),
        box_head_(std::move(box_head)),
        box_predictor_(std::move(box_predictor)),
        mask_(std::move(mask)),
        keypoint_(std::move(keypoint)) {}

  detection::FeatureMaps backbone(const at::Tensor& images) override {
    return run_backbone(backbone_, images, exact_);
  }

  std::pair<std::vector<at::Tensor>, std::vector<at::Tensor>> rpn_head(
      const std::vector<at::Tensor>& features) override {
    const c10::IValue output = rpn_head_.forward({features});
    TORCH_CHECK(output.isTuple() && output.toTupleRef().elements().size() == 2,
                "rpn.head must return (objectness, deltas), got ", output.type()->str());
    const auto& elements = output.toTupleRef().elements();
    return {tensors_of(elements[0], "rpn.head"), tensors_of(elements[1], "rpn.head")};
  }

  std::optional<detection::RpnHeadWeights> rpn_head_weights() override {
    return script::rpn_head_weights(rpn_head_);
  }

  std::pair<at::Tensor, at::Tensor> box_head(const at::Tensor& pooled) override {
    const c10::IValue output = box_predictor_.forward({box_head_.forward({pooled})});
    TORCH_CHECK(output.isTuple() && output.toTupleRef().elements().size() == 2,
                "roi_heads.box_predictor must return (class logits, box regression), got ",
                output.type()->str());
    const auto& elements = output.toTupleRef().elements();
    return {elements[0].toTensor(), elements[1].toTensor()};
  }

  at::Tensor mask_head(const at::Tensor& pooled) override { return run(mask_, pooled, "mask"); }

  at::Tensor keypoint_head(const at::Tensor& pooled) override {
    return run(keypoint_, pooled, "keypoint");
  }

 private:
  bool exact_;
  Module backbone_;
  Module rpn_head_;
  Module box_head_;
  Module box_predictor_;
  std::optional<Branch> mask_;
  std::optional<Branch> keypoint_;
};

template <typename Prepare>
std::optional<Branch> make_branch(const Module& roi_heads, const std::string& name,
                                  Prepare prepare) {
  const auto has = [&](const std::string& part) {
    return roi_heads.hasattr(part) && roi_heads.attr(part).isModule();
  };
  if (!has(name + "_head") || !has(name + "_predictor")) return std::nullopt;
  return Branch{prepare(roi_heads.attr(name + "_head").toModule(), name + "_head"),
                prepare(roi_heads.attr(name + "_predictor").toModule(), name + "_predictor")};
}

template <typename Prepare>
std::unique_ptr<detection::RcnnNetwork> make_network(const Module& module, bool exact,
                                                     Prepare prepare) {
  const Module roi_heads = module.attr("roi_heads").toModule();
  return std::make_unique<ScriptNetwork>(
      exact, prepare(module.attr("backbone").toModule(), "backbone"),
      prepare(module.attr("rpn").toModule().attr("head").toModule(), "rpn.head"),
      prepare(roi_heads.attr("box_head").toModule(), "box_head"),
      prepare(roi_heads.attr("box_predictor").toModule(), "box_predictor"),
      make_branch(roi_heads, "mask", prepare), make_branch(roi_heads, "keypoint", prepare));
}

}  // namespace

std::unique_ptr<detection::RcnnNetwork> make_exact_network(const Module& module) {
  return make_network(module, true, [](Module part, const std::string&) { return part; });
}

std::unique_ptr<detection::RcnnNetwork> make_training_network(const Module& module) {
  return make_network(module, false, [](Module part, const std::string&) { return part; });
}

std::unique_ptr<detection::RcnnNetwork> make_compiled_network(const Module& module,
                                                              const PrecisionPlan& plan) {
  auto network = make_network(module, false, [&](Module part, const std::string& name) {
    return compile_for_inference(part, {plan, name});
  });
  const auto dtype = half_type(plan.precision);
  return dtype ? in_half(std::move(network), *dtype) : std::move(network);
}

}  // namespace torchdet::script
