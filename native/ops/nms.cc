// nms and batched_nms on the CPU: checks, order of the scores, groups. The suppression itself is in
// suppression.cc.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <c10/util/irange.h>

#include <algorithm>

#include "box_checks.h"
#include "kernels.h"
#include "roi_checks.h"
#include "suppression.h"

namespace torchdet::ops::cpu {

namespace {

at::Tensor best_first(const at::Tensor& scores) {
  return std::get<1>(at::sort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true));
}

at::Tensor to_tensor(const std::vector<int64_t>& indices) {
  at::Tensor result = at::empty({static_cast<int64_t>(indices.size())}, at::kLong);
  std::copy(indices.begin(), indices.end(), result.mutable_data_ptr<int64_t>());
  return result;
}

// Positions of `order` distributed over the groups, keeping their order.
std::vector<std::vector<int64_t>> split(const at::Tensor& order, const at::Tensor& group_of,
                                        int64_t groups) {
  std::vector<std::vector<int64_t>> members(groups);
  const int64_t* position = order.const_data_ptr<int64_t>();
  const int64_t* group = group_of.const_data_ptr<int64_t>();
  for (const auto i : c10::irange(order.numel())) {
    members[group[position[i]]].push_back(position[i]);
  }
  return members;
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold) {
  check_boxes(boxes, scores);
  if (boxes.size(0) == 0) return at::empty({0}, at::kLong);
  const at::Tensor xyxy = float_if_half(boxes).contiguous();
  const at::Tensor order = best_first(scores);
  return AT_DISPATCH_FLOATING_TYPES(xyxy.scalar_type(), "nms", [&] {
    return to_tensor(suppress(xyxy.const_data_ptr<scalar_t>(), order.const_data_ptr<int64_t>(),
                              order.numel(), iou_threshold));
  });
}

at::Tensor grouped_nms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& idxs,
                       double iou_threshold) {
  check_boxes(boxes, scores);
  TORCH_CHECK(idxs.dim() == 1 && idxs.size(0) == boxes.size(0),
              "batched_nms: idxs must have one value for each box, got shape ", idxs.sizes(),
              " for ", boxes.size(0), " boxes");
  if (boxes.size(0) == 0) return at::empty({0}, at::kLong);
  const at::Tensor xyxy = float_if_half(boxes).contiguous();
  const auto [values, group_of, counts] =
      at::_unique2(idxs, /*sorted=*/true, /*return_inverse=*/true, /*return_counts=*/false);
  const auto members = split(best_first(scores), group_of, values.numel());
  const int64_t groups = values.numel();

  at::Tensor kept = at::empty({boxes.size(0)}, at::kBool).zero_();
  bool* kept_mask = kept.mutable_data_ptr<bool>();
  AT_DISPATCH_FLOATING_TYPES(xyxy.scalar_type(), "batched_nms", [&] {
    const scalar_t* data = xyxy.const_data_ptr<scalar_t>();
    const auto run = [&](int64_t begin, int64_t end) {
      for (const auto g : c10::irange(begin, end)) {
        for (const int64_t index : suppress(
                 data, members[g].data(), static_cast<int64_t>(members[g].size()), iou_threshold)) {
          kept_mask[index] = true;
        }
      }
    };
    // Few groups are parallel inside, many among themselves.
    if (groups < at::get_num_threads()) {
      run(0, groups);
    } else {
      at::parallel_for(0, groups, 1, run);
    }
  });
  // Not stable, and in index order before: ties come out as torchvision's do.
  const at::Tensor indices = kept.nonzero().squeeze(1);
  const at::Tensor sorted = std::get<1>(at::sort(scores.index_select(0, indices), 0, true));
  return indices.index_select(0, sorted);
}

}  // namespace torchdet::ops::cpu
