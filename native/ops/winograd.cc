#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/kron.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "packed.h"
#include "packed_checks.h"
#include "panels.h"
#include "winograd_transforms.h"

namespace torchdet::ops {
namespace {

using winograd::kPoints;

// Tiles that go through together on one thread: enough for the weights to be read seldom, few
// enough for the points to stay in the caches.
constexpr int64_t kBlock = 96;

// Strides that are multiples of a page put all points of a tile into the same few lines of the
// cache.
constexpr int64_t kApart = 16;

// Tiles of a block such that all threads get as many.
int64_t block_of(int64_t tiles) {
  const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
  const int64_t each = (tiles + threads - 1) / threads;
  const int64_t blocks = (each + kBlock - 1) / kBlock;
  return (each + blocks - 1) / blocks;
}

}  // namespace

at::Tensor pack_winograd(const at::Tensor& weight) {
  TORCH_CHECK(weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3,
              "pack_winograd takes K x C x 3 x 3, got ", weight.sizes());
  // In double: this is done once, and the rounding of these small numbers would stay in every
  // result.
  const double third = 1.0 / 6, small = 1.0 / 24, medium = 1.0 / 12;
  const at::Tensor g = at::tensor({0.25, 0.0, 0.0, -third, -third, -third, -third, third, -third,
                                   small, medium, third, small, -medium, third, 0.0, 0.0, 1.0},
                                  at::kDouble)
                           .view({6, 3});
  // G w G^T is linear in w: one product for all of them.
  const at::Tensor transform = at::kron(g, g);  // 36 x 9
  const int64_t outputs = weight.size(0), inputs = weight.size(1);
  const at::Tensor columns =
      weight.detach().to(at::kDouble).permute({2, 3, 1, 0}).reshape({9, inputs * outputs});
  const at::Tensor points = at::matmul(transform, columns).to(at::kFloat);  // 36 x C K
  at::Tensor packed = at::empty({kPoints, panels::packed_size(inputs, outputs)}, at::kFloat);
  for (int64_t point = 0; point < kPoints; ++point) {
    panels::pack(points.const_data_ptr<float>() + point * inputs * outputs, inputs, outputs,
                 packed.mutable_data_ptr<float>() + point * packed.size(1));
  }
  return packed;
}

at::Tensor winograd_conv2d(const at::Tensor& input, const at::Tensor& packed,
                           const at::Tensor& bias, const After& after) {
  check_maps("winograd_conv2d", input);
  const at::Tensor maps = input.contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t outputs = bias.numel();
  const winograd::Extent in{maps.size(1), maps.size(2), maps.size(3)};
  const winograd::Extent out{outputs, in.height, in.width};
  TORCH_CHECK(packed.dim() == 2 && packed.size(0) == kPoints &&
                  packed.size(1) == panels::packed_size(in.channels, outputs),
              "winograd_conv2d: the weight is ", packed.sizes(), ", not that of ", in.channels,
              " channels and ", outputs, " outputs as pack_winograd gives it");
  const std::vector<int64_t> sizes = {maps.size(0), outputs, in.height, in.width};
  if (must_be_spread(after, sizes)) return added(winograd_conv2d(maps, packed, bias, {}), after);
  at::Tensor result =
      at::empty(sizes, maps.options().memory_format(at::MemoryFormat::ChannelsLast));
  const int64_t tiles = maps.size(0) * in.tiles();
  if (result.numel() == 0) return result;

  const Following parts = following("winograd_conv2d", result, bias, after);
  const int64_t block = block_of(tiles), blocks = (tiles + block - 1) / block;
  const winograd::Strides points{block * in.channels + kApart, in.channels};
  const winograd::Strides sums{block * outputs + kApart, outputs};
  const int64_t each = kPoints * (points.point + sums.point);
  const int64_t teams = std::min<int64_t>(blocks, at::get_num_threads());
  at::Tensor buffers = at::empty({std::max<int64_t>(teams, 1), each}, at::kFloat);
  const at::Tensor zeros = at::zeros({in.channels}, at::kFloat);
  const float* from = maps.const_data_ptr<float>();
  const float* weights = packed.const_data_ptr<float>();
  const float* nothing = zeros.const_data_ptr<float>();
  float* to = result.mutable_data_ptr<float>();
  float* buffer = buffers.mutable_data_ptr<float>();

  at::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    float* point_values = buffer + std::min<int64_t>(at::get_thread_num(), teams - 1) * each;
    float* sum_values = point_values + kPoints * points.point;
    for (int64_t begin = first * block; begin < std::min(tiles, last * block); begin += block) {
      const int64_t end = std::min(tiles, begin + block);
      winograd::transform_input(from, in, begin, end, nothing, point_values, points);
      for (int64_t point = 0; point < kPoints; ++point) {
        panels::multiply(point_values + point * points.point, points.tile, end - begin,
                         weights + point * packed.size(1), in.channels, outputs,
                         sum_values + point * sums.point, sums.tile, {});
      }
      winograd::transform_output(sum_values, out, begin, end, sums, parts.epilogue, to);
    }
  });
  return result;
}

}  // namespace torchdet::ops
