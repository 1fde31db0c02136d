#include "box_iou.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "box_iou_kernel.h"

namespace torchdet::detection {
namespace {

// IoUs that are worth one thread's time.
constexpr int64_t kGrain = 65'536;

void check_boxes(const at::Tensor& boxes, const char* name) {
  TORCH_CHECK(boxes.dim() == 2 && boxes.size(1) == 4, name, " must be N x 4, got shape ",
              boxes.sizes());
}

// The coordinates of boxes as N each; for one side of a pairing as N x 1 or 1 x M.
struct Corners {
  at::Tensor x1, y1, x2, y2;

  explicit Corners(const at::Tensor& boxes)
      : x1(boxes.select(1, 0)),
        y1(boxes.select(1, 1)),
        x2(boxes.select(1, 2)),
        y2(boxes.select(1, 3)) {}

  Corners unsqueezed(int64_t dim) const {
    Corners corners(*this);
    for (at::Tensor* side : {&corners.x1, &corners.y1, &corners.x2, &corners.y2})
      *side = side->unsqueeze(dim);
    return corners;
  }

  at::Tensor area() const { return (x2 - x1) * (y2 - y1); }
};

struct Overlap {
  at::Tensor intersection;
  at::Tensor union_area;
};

Overlap pairwise_overlap(const Corners& a, const Corners& b) {
  const at::Tensor width = at::clamp(at::minimum(a.x2, b.x2) - at::maximum(a.x1, b.x1), 0);
  const at::Tensor height = at::clamp(at::minimum(a.y2, b.y2) - at::maximum(a.y1, b.y1), 0);
  const at::Tensor intersection = width * height;
  return {intersection, a.area() + b.area() - intersection};
}

bool wants_gradient(const at::Tensor& boxes1, const at::Tensor& boxes2) {
  return at::GradMode::is_enabled() && (boxes1.requires_grad() || boxes2.requires_grad());
}

bool is_plain_float(const at::Tensor& boxes) {
  return boxes.is_cpu() && boxes.scalar_type() == at::kFloat;
}

at::Tensor iou_in_one_pass(const at::Tensor& boxes1, const at::Tensor& boxes2) {
  const at::Tensor rows = boxes1.contiguous();
  const BoxColumns columns(boxes2);
  at::Tensor iou = at::empty({rows.size(0), columns.size()}, rows.options());
  const float* row = rows.const_data_ptr<float>();
  float* out = iou.mutable_data_ptr<float>();
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, columns.size()));
  at::parallel_for(0, rows.size(0), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      columns.overlaps(row + i * 4, 0, columns.size(), out + i * columns.size());
  });
  return iou;
}

}  // namespace

BoxFormat box_format(std::string_view name) {
  if (name == "xyxy") return BoxFormat::kXyxy;
  if (name == "xywh") return BoxFormat::kXywh;
  TORCH_CHECK(name == "cxcywh", "boxes come as xyxy, xywh or cxcywh, not as ", name);
  return BoxFormat::kCxcywh;
}

at::Tensor convert_boxes(const at::Tensor& boxes, BoxFormat from, BoxFormat to) {
  check_boxes(boxes, "boxes");
  if (from == to) return boxes.clone();
  Corners box(boxes);
  if (from == BoxFormat::kXywh) {
    box.x2 = box.x1 + box.x2;
    box.y2 = box.y1 + box.y2;
  } else if (from == BoxFormat::kCxcywh) {
    const at::Tensor half_width = 0.5 * box.x2, half_height = 0.5 * box.y2;
    const at::Tensor x = box.x1, y = box.y1;
    box.x1 = x - half_width;
    box.y1 = y - half_height;
    box.x2 = x + half_width;
    box.y2 = y + half_height;
  }
  if (to == BoxFormat::kXyxy) return at::stack({box.x1, box.y1, box.x2, box.y2}, 1);
  const at::Tensor width = box.x2 - box.x1, height = box.y2 - box.y1;
  if (to == BoxFormat::kXywh) return at::stack({box.x1, box.y1, width, height}, 1);
  return at::stack({(box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2, width, height}, 1);
}

at::Tensor box_area(const at::Tensor& boxes) {
  check_boxes(boxes, "boxes");
  return Corners(boxes).area();
}

at::Tensor box_iou(const at::Tensor& boxes1, const at::Tensor& boxes2) {
  check_boxes(boxes1, "boxes1");
  check_boxes(boxes2, "boxes2");
  if (is_plain_float(boxes1) && is_plain_float(boxes2) && !wants_gradient(boxes1, boxes2)) {
    return iou_in_one_pass(boxes1, boxes2);
  }
  const Overlap overlap =
      pairwise_overlap(Corners(boxes1).unsqueezed(1), Corners(boxes2).unsqueezed(0));
  return overlap.intersection / overlap.union_area;
}

at::Tensor generalized_box_iou(const at::Tensor& boxes1, const at::Tensor& boxes2) {
  check_boxes(boxes1, "boxes1");
  check_boxes(boxes2, "boxes2");
  const Corners a = Corners(boxes1).unsqueezed(1);
  const Corners b = Corners(boxes2).unsqueezed(0);
  const Overlap overlap = pairwise_overlap(a, b);
  const at::Tensor width = at::clamp(at::maximum(a.x2, b.x2) - at::minimum(a.x1, b.x1), 0);
  const at::Tensor height = at::clamp(at::maximum(a.y2, b.y2) - at::minimum(a.y1, b.y1), 0);
  const at::Tensor enclosing = width * height;
  return overlap.intersection / overlap.union_area - (enclosing - overlap.union_area) / enclosing;
}

at::Tensor generalized_box_iou_loss(const at::Tensor& boxes1, const at::Tensor& boxes2,
                                    double eps) {
  check_boxes(boxes1, "boxes1");
  check_boxes(boxes2, "boxes2");
  TORCH_CHECK(boxes1.size(0) == boxes2.size(0), "the loss pairs box by box, got ", boxes1.size(0),
              " and ", boxes2.size(0), " boxes");
  const Corners a(boxes1), b(boxes2);
  const at::Tensor width = at::minimum(a.x2, b.x2) - at::maximum(a.x1, b.x1);
  const at::Tensor height = at::minimum(a.y2, b.y2) - at::maximum(a.y1, b.y1);
  // Boxes that do not overlap send no gradient through the intersection.
  const at::Tensor intersection = at::where(width.gt(0).logical_and(height.gt(0)), width * height,
                                            at::zeros({}, a.x1.options()));
  const at::Tensor union_area = a.area() + b.area() - intersection;
  const at::Tensor iou = intersection / (union_area + eps);
  const at::Tensor enclosing = (at::maximum(a.x2, b.x2) - at::minimum(a.x1, b.x1)) *
                               (at::maximum(a.y2, b.y2) - at::minimum(a.y1, b.y1));
  return 1 - (iou - (enclosing - union_area) / (enclosing + eps));
}

}  // namespace torchdet::detection
