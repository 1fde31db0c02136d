// Areas, overlaps and formats of boxes, as torchvision.ops. Free functions that own nothing: any
// device, and gradients flow through all of them. Boxes are N x 4, floating point, xyxy unless a
// format is named.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace torchdet::detection {

// xyxy: corners. xywh: upper left corner and size. cxcywh: centre and size.
enum class BoxFormat { kXyxy, kXywh, kCxcywh };

// Throws where the name is none of the three.
BoxFormat box_format(std::string_view name);

at::Tensor convert_boxes(const at::Tensor& boxes, BoxFormat from, BoxFormat to);

// N.
at::Tensor box_area(const at::Tensor& boxes);

// N x 4 and M x 4 to N x M: intersection over union of every pair. NaN where both areas are 0.
at::Tensor box_iou(const at::Tensor& boxes1, const at::Tensor& boxes2);

// Likewise, less the share of the smallest enclosing box that neither covers: -1 to 1.
at::Tensor generalized_box_iou(const at::Tensor& boxes1, const at::Tensor& boxes2);

// 1 - generalized IoU of box i with box i (both N x 4): N. `eps` is added to the divisors.
at::Tensor generalized_box_iou_loss(const at::Tensor& boxes1, const at::Tensor& boxes2,
                                    double eps = 1e-7);

}  // namespace torchdet::detection
