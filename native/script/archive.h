// TorchScript archives: reading one and saying what it is, writing one with files beside the code.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "../detection/config.h"

namespace torchdet::script {

using ExtraFiles = std::unordered_map<std::string, std::string>;

// Name of the file in which an archive carries its torchdet description, as JSON.
inline constexpr const char* kDescriptionFile = "torchdet.json";

enum class ArchiveKind {
  kRcnn,      // torchvision's GeneralizedRCNN structure: runs through
              // native/detection
  kDense,     // that of its RetinaNet, FCOS, SSD or SSDlite: likewise
  kDetector,  // images in, detections out, through its own forward
  kOther,
};

struct ArchiveDescription {
  std::string type_name;
  ExtraFiles extra_files;
  ArchiveKind kind = ArchiveKind::kOther;
  std::string forward_schema;
  std::optional<detection::DetectionConfig> config;
};

torch::jit::Module load_archive(const std::string& path, c10::Device device,
                                ExtraFiles* extra_files);
void save_archive(const torch::jit::Module& module, const std::string& path,
                  const ExtraFiles& extra_files);

ArchiveDescription describe(const torch::jit::Module& module, ExtraFiles extra_files);

}  // namespace torchdet::script
