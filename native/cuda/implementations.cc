#include "implementations.h"

#include "operators.h"

namespace torchdet::cuda {

void implement_operators(torch::Library& library) {
  library.impl("nms", TORCH_FN(nms));
  library.impl("roi_align", TORCH_FN(roi_align));
  library.impl("_roi_align_backward", TORCH_FN(roi_align_backward));
  library.impl("roi_pool", TORCH_FN(roi_pool));
  library.impl("_roi_pool_backward", TORCH_FN(roi_pool_backward));
  library.impl("ps_roi_align", TORCH_FN(ps_roi_align));
  library.impl("_ps_roi_align_backward", TORCH_FN(ps_roi_align_backward));
  library.impl("ps_roi_pool", TORCH_FN(ps_roi_pool));
  library.impl("_ps_roi_pool_backward", TORCH_FN(ps_roi_pool_backward));
  library.impl("deform_conv2d", TORCH_FN(deform_conv2d));
  library.impl("_deform_conv2d_backward", TORCH_FN(deform_conv2d_backward));
}

void implement_additions(torch::Library& library) {
  library.impl("suppress_segments", TORCH_FN(suppress_segments));
  library.impl("pool_levels", TORCH_FN(pool_levels));
  library.impl("fill_batch", TORCH_FN(fill_batch));
}

}  // namespace torchdet::cuda
