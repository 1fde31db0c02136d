#include "archive.h"

#include <torch/csrc/jit/serialization/export.h>
#include <torch/csrc/jit/serialization/import.h>

#include "dense_reader.h"
#include "rcnn_reader.h"

namespace torchdet::script {
namespace {

// True for forward(self, List[Tensor], ...) that returns a list of dictionaries, alone or as the
// last of a tuple: what torchvision's scripted detectors do (losses, detections).
bool takes_images_and_returns_detections(const c10::FunctionSchema& schema) {
  if (schema.arguments().size() < 2 || schema.returns().empty()) return false;
  for (size_t i = 2; i < schema.arguments().size(); ++i) {
    if (!schema.arguments()[i].default_value()) return false;
  }
  if (!schema.arguments()[1].type()->isSubtypeOf(*c10::ListType::ofTensors())) return false;
  c10::TypePtr result = schema.returns()[0].type();
  if (const auto tuple = result->cast<c10::TupleType>()) {
    if (tuple->elements().empty()) return false;
    result = tuple->elements().back();
  }
  const auto list = result->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::DictType;
}

}  // namespace

torch::jit::Module load_archive(const std::string& path, c10::Device device,
                                ExtraFiles* extra_files) {
  (*extra_files)[kDescriptionFile] = "";
  torch::jit::Module module = torch::jit::load(path, device, *extra_files);
  if ((*extra_files)[kDescriptionFile].empty()) extra_files->erase(kDescriptionFile);
  return module;
}

void save_archive(const torch::jit::Module& module, const std::string& path,
                  const ExtraFiles& extra_files) {
  module.save(path, extra_files);
}

ArchiveDescription describe(const torch::jit::Module& module, ExtraFiles extra_files) {
  ArchiveDescription description;
  description.type_name = module.type()->name() ? module.type()->name()->qualifiedName() : "";
  description.extra_files = std::move(extra_files);
  const auto forward = module.find_method("forward");
  if (forward) {
    description.forward_schema = c10::toString(forward->function().getSchema());
    if (takes_images_and_returns_detections(forward->function().getSchema())) {
      description.kind = ArchiveKind::kDetector;
    }
  }
  // A module torchdet compiled has the network alone; its description file holds the configuration.
  const bool described = description.extra_files.count(kDescriptionFile) > 0;
  if (has_rcnn_network(module)) {
    description.config = read_rcnn_config(module);
    if (description.config || described) description.kind = ArchiveKind::kRcnn;
  } else if (has_dense_network(module)) {
    description.config = read_dense_config(module);
    if (description.config || described) description.kind = ArchiveKind::kDense;
  }
  return description;
}

}  // namespace torchdet::script
