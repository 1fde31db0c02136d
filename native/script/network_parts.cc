#include "network_parts.h"

namespace torchdet::script {

detection::FeatureMaps run_backbone(torch::jit::Module& backbone, const at::Tensor& images,
                                    bool exact) {
  const c10::IValue output = backbone.forward({exact ? images.contiguous() : images});
  detection::FeatureMaps maps;
  if (output.isTensor()) {  // torchvision calls a backbone's single map '0'
    maps.emplace_back("0", output.toTensor());
    return maps;
  }
  TORCH_CHECK(output.isGenericDict(),
              "the backbone must return a Tensor or a Dict[str, Tensor], got ",
              output.type()->str());
  for (const auto& entry : output.toGenericDict()) {
    maps.emplace_back(entry.key().toStringRef(), entry.value().toTensor());
  }
  return maps;
}

}  // namespace torchdet::script
