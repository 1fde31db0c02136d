#include "dense_network.h"

#include "inference_compiler.h"
#include "network_parts.h"
#include "precision_network.h"

namespace torchdet::script {
namespace {

using torch::jit::Module;

at::Tensor output_at(const c10::impl::GenericDict& outputs, const char* name) {
  const auto found = outputs.find(name);
  return found == outputs.end() ? at::Tensor() : found->value().toTensor();
}

class ScriptDenseNetwork : public detection::DenseNetwork {
 public:
  ScriptDenseNetwork(bool exact, Module backbone, Module head)
      : exact_(exact), backbone_(std::move(backbone)), head_(std::move(head)) {}

  detection::FeatureMaps backbone(const at::Tensor& images) override {
    return run_backbone(backbone_, images, exact_);
  }

  detection::DenseOutputs head(const std::vector<at::Tensor>& features) override {
    const c10::IValue output = head_.forward({features});
    TORCH_CHECK(output.isGenericDict(), "the head must return a Dict[str, Tensor], got ",
                output.type()->str());
    const auto outputs = output.toGenericDict();
    detection::DenseOutputs result = {output_at(outputs, "cls_logits"),
                                      output_at(outputs, "bbox_regression"),
                                      output_at(outputs, "bbox_ctrness")};
    TORCH_CHECK(result.cls_logits.defined() && result.bbox_regression.defined(),
                "the head's dictionary must have 'cls_logits' and 'bbox_regression'");
    return result;
  }

 private:
  bool exact_;
  Module backbone_;
  Module head_;
};

}  // namespace

std::unique_ptr<detection::DenseNetwork> make_exact_dense_network(const Module& module) {
  return std::make_unique<ScriptDenseNetwork>(true, module.attr("backbone").toModule(),
                                              module.attr("head").toModule());
}

std::unique_ptr<detection::DenseNetwork> make_training_dense_network(const Module& module) {
  return std::make_unique<ScriptDenseNetwork>(false, module.attr("backbone").toModule(),
                                              module.attr("head").toModule());
}

std::unique_ptr<detection::DenseNetwork> make_compiled_dense_network(const Module& module,
                                                                     const PrecisionPlan& plan) {
  std::unique_ptr<detection::DenseNetwork> network = std::make_unique<ScriptDenseNetwork>(
      false, compile_for_inference(module.attr("backbone").toModule(), {plan, "backbone"}),
      compile_for_inference(module.attr("head").toModule(), {plan, "head"}));
  const auto dtype = half_type(plan.precision);
  return dtype ? in_half(std::move(network), *dtype) : std::move(network);
}

}  // namespace torchdet::script
