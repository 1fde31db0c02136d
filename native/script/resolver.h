// What names TorchScript source may use beside its arguments and `self`: `torch.<aten operator>`
// and `ops.<namespace>.<operator>`.
#pragma once

#include <torch/csrc/jit/frontend/resolver.h>

#include <memory>

namespace torchdet::script {

std::shared_ptr<torch::jit::Resolver> make_resolver();

}  // namespace torchdet::script
