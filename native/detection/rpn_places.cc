#include "rpn_places.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

namespace torchdet::detection {
namespace {

constexpr int64_t kKernel = 3;

// Where sampled anchors lie in one level's map.
struct LevelPlaces {
  at::Tensor order;    // which of the rows these are
  at::Tensor cells;    // R int64 into the map's N*H*W
  at::Tensor anchors;  // R int64: which of a cell's
};

// The 3 x 3 surroundings of each cell, R x 9C: row by row, cell by cell, channel by channel; 0
// outside the map.
at::Tensor surroundings(const at::Tensor& map, const at::Tensor& cells) {
  const int64_t height = map.size(2);
  const int64_t width = map.size(3);
  at::Tensor around;
  at::Tensor inside;
  {
    const at::NoGradGuard no_gradients;
    const at::Tensor x = cells.remainder(width);
    const at::Tensor y = cells.floor_divide(width).remainder(height);
    std::vector<at::Tensor> places;
    std::vector<at::Tensor> valid;
    for (int64_t down = -1; down <= 1; ++down) {
      for (int64_t right = -1; right <= 1; ++right) {
        const at::Tensor there = (x + right)
                                     .ge(0)
                                     .logical_and_((x + right).lt(width))
                                     .logical_and_((y + down).ge(0))
                                     .logical_and_((y + down).lt(height));
        valid.push_back(there);
        places.push_back((cells + (down * width + right)).mul_(there));
      }
    }
    around = at::stack(places, 1).flatten();
    inside = at::stack(valid, 1).flatten().unsqueeze(1);
  }
  const at::Tensor rows = map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
  return (rows.index_select(0, around) * inside).view({cells.size(0), -1});
}

LevelPlaces places_in(const at::Tensor& images, const at::Tensor& offsets, int64_t first,
                      int64_t cells, int64_t anchors) {
  const at::Tensor here = offsets.ge(first).logical_and_(offsets.lt(first + cells * anchors));
  LevelPlaces places;
  places.order = at::nonzero(here).squeeze(1);
  const at::Tensor offset = offsets.index_select(0, places.order) - first;
  places.cells = images.index_select(0, places.order) * cells + offset.floor_divide(anchors);
  places.anchors = offset.remainder(anchors);
  return places;
}

}  // namespace

AnchorOutputs rpn_head_at(const RpnHeadWeights& weights, const std::vector<at::Tensor>& maps,
                          const at::Tensor& rows) {
  const int64_t anchors = weights.cls_weight.size(0);
  const int64_t channels = weights.conv_weight.size(1);
  int64_t per_image = 0;
  for (const at::Tensor& map : maps) per_image += map.size(2) * map.size(3) * anchors;
  const at::Tensor images = rows.floor_divide(per_image);
  const at::Tensor offsets = rows.remainder(per_image);
  std::vector<at::Tensor> order;
  std::vector<at::Tensor> patches;
  std::vector<at::Tensor> which;
  int64_t first = 0;
  for (const at::Tensor& map : maps) {
    const int64_t cells = map.size(2) * map.size(3);
    const LevelPlaces places = places_in(images, offsets, first, cells, anchors);
    first += cells * anchors;
    if (places.order.size(0) == 0) continue;
    order.push_back(places.order);
    which.push_back(places.anchors);
    patches.push_back(surroundings(map, places.cells));
  }
  const at::Tensor kernel =
      weights.conv_weight.permute({2, 3, 1, 0}).reshape({kKernel * kKernel * channels, -1});
  const at::Tensor hidden = at::relu(at::addmm(weights.conv_bias, at::cat(patches), kernel));
  const auto predict = [&](const at::Tensor& weight, const at::Tensor& bias) {
    return at::addmm(bias, hidden, weight.flatten(1).t());
  };
  const at::Tensor picked = at::cat(which);
  const at::Tensor row = at::arange(picked.size(0), picked.options());
  const at::Tensor back = at::cat(order).argsort();
  const at::Tensor logits = predict(weights.cls_weight, weights.cls_bias).index({row, picked});
  const at::Tensor deltas =
      predict(weights.bbox_weight, weights.bbox_bias).view({-1, anchors, 4}).index({row, picked});
  return {logits.index_select(0, back), deltas.index_select(0, back)};
}

}  // namespace torchdet::detection
