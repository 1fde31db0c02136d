// What the packed layers' functions share: their checks, and the epilogue of a result. A Following
// holds the tensors that its epilogue points into.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include "epilogue.h"
#include "packed.h"

namespace torchdet::ops {

// Float32 N x C x H x W on the CPU, outside autograd.
void check_maps(const char* name, const at::Tensor& input);

// Whether what `after` adds is no tensor as large as the result: a graph does not say. Then it is
// added apart, by `added`.
bool must_be_spread(const After& after, at::IntArrayRef sizes);
at::Tensor added(const at::Tensor& result, const After& after);

struct Following {
  at::Tensor bias;
  at::Tensor other;
  Epilogue epilogue;
};

// The bias and what `after` asks for, laid out as `result`.
Following following(const char* name, const at::Tensor& result, const at::Tensor& bias,
                    const After& after);

}  // namespace torchdet::ops
