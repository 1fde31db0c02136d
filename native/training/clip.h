// Clipping of gradients, as torch.nn.utils has it: free functions that own nothing and change
// gradients in place. Call them with gradients off (NoGradGuard).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torchdet::training {

// Norm of all gradients as if they were one vector; 0 without any. On the gradients' device.
at::Tensor gradient_norm(const std::vector<at::Tensor>& gradients);

// torch.nn.utils.clip_grad_norm_: multiplies by max_norm / (norm + 1e-6) where that is less than 1.
void clip_gradient_norm(const std::vector<at::Tensor>& gradients, double max_norm,
                        const at::Tensor& norm);

// torch.nn.utils.clip_grad_value_: limits each number to -limit .. limit.
void clip_gradient_values(const std::vector<at::Tensor>& gradients, double limit);

}  // namespace torchdet::training
