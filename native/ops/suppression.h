// The core of non-maximum suppression on the CPU, shared by nms and batched_nms. Owns nothing.
#pragma once

#include <cstdint>
#include <vector>

namespace torchdet::ops {

// Indices of the boxes kept, in the order of `order` (positions into boxes, best first, `count` of
// them). boxes is packed xyxy. A box falls when its IoU with a kept one, in T, is above
// iou_threshold, in double. Parallel for long lists.
template <typename T>
std::vector<int64_t> suppress(const T* boxes, const int64_t* order, int64_t count,
                              double iou_threshold);

extern template std::vector<int64_t> suppress<float>(const float*, const int64_t*, int64_t, double);
extern template std::vector<int64_t> suppress<double>(const double*, const int64_t*, int64_t,
                                                      double);

}  // namespace torchdet::ops
