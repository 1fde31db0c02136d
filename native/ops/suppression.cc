// Contraction to fused multiply-add would round an IoU differently from torchvision, and a box near
// the threshold would live on one machine and fall on another.
#if defined(__clang__)
#pragma clang fp contract(off)
#else
#pragma GCC optimize("fp-contract=off")
#endif

#include "suppression.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "box_checks.h"
#include "simd.h"

namespace torchdet::ops {

namespace {

// Boxes are compared with the kept ones a block at a time; candidates are judged a tile at a time,
// and a tile is what threads share. Starting them costs milliseconds on a busy machine, which a
// list must be worth: one thread judges ten thousand boxes in five to twelve.
constexpr int64_t kBlock = 64;
constexpr int64_t kTile = 1024;
constexpr int64_t kParallelFrom = 16'384;

template <typename T>
struct Box {
  T x1, y1, x2, y2, area;
};

template <typename T>
Box<T> read_box(const T* boxes, int64_t index) {
  const T* box = boxes + index * 4;
  return {box[0], box[1], box[2], box[3], (box[2] - box[0]) * (box[3] - box[1])};
}

// The kept boxes, one array a coordinate, filled up to whole blocks with boxes that overlap
// nothing.
template <typename T>
class KeptBoxes {
 public:
  explicit KeptBoxes(int64_t capacity)
      : stride_((capacity + kBlock - 1) / kBlock * kBlock), data_(stride_ * 5) {
    const T infinity = std::numeric_limits<T>::infinity();
    std::fill_n(x1(), stride_ * 2, infinity);
    std::fill_n(x2(), stride_ * 2, -infinity);
    std::fill_n(area(), stride_, T(1));
  }

  int64_t size() const { return size_; }

  void add(const Box<T>& box) {
    x1()[size_] = box.x1;
    y1()[size_] = box.y1;
    x2()[size_] = box.x2;
    y2()[size_] = box.y2;
    area()[size_] = box.area;
    ++size_;
  }

  T* x1() { return data_.data(); }
  T* y1() { return data_.data() + stride_; }
  T* x2() { return data_.data() + stride_ * 2; }
  T* y2() { return data_.data() + stride_ * 3; }
  T* area() { return data_.data() + stride_ * 4; }

 private:
  int64_t stride_;
  std::vector<T> data_;
  int64_t size_ = 0;
};

// Whether any of the kept boxes first..size covers `box` by more than the threshold. A cheap test
// without division, written so that it lets through whatever may be above the threshold (NaN too),
// picks the blocks that are divided. The comparisons keep std::max's and std::min's answers for
// NaN.
template <typename T>
TORCHDET_INLINE inline bool covered(KeptBoxes<T>& kept, int64_t first, const Box<T>& box,
                                    T threshold, T surely_below) {
  const int64_t size = kept.size();
  for (int64_t start = first / kBlock * kBlock; start < size; start += kBlock) {
    const T* x1 = kept.x1() + start;
    const T* y1 = kept.y1() + start;
    const T* x2 = kept.x2() + start;
    const T* y2 = kept.y2() + start;
    const T* area = kept.area() + start;
    T intersection[kBlock];
    T union_area[kBlock];
    int maybe = 0;
    for (int64_t i = 0; i < kBlock; ++i) {
      const T left = x1[i] < box.x1 ? box.x1 : x1[i];
      const T top = y1[i] < box.y1 ? box.y1 : y1[i];
      const T right = box.x2 < x2[i] ? box.x2 : x2[i];
      const T bottom = box.y2 < y2[i] ? box.y2 : y2[i];
      const T width = T(0) < right - left ? right - left : T(0);
      const T height = T(0) < bottom - top ? bottom - top : T(0);
      intersection[i] = width * height;
      union_area[i] = area[i] + box.area - intersection[i];
      maybe |= !(intersection[i] < surely_below * union_area[i]);
    }
    if (!maybe) continue;
    const int64_t present = std::min(kBlock, size - start);
    for (int64_t i = 0; i < present; ++i) {
      if (intersection[i] / union_area[i] > threshold) return true;
    }
  }
  return false;
}

}  // namespace

template <typename T>
std::vector<int64_t> suppress(const T* boxes, const int64_t* order, int64_t count,
                              double iou_threshold) {
  const T threshold = narrowed<T>(iou_threshold);
  // Far more than the rounding of the product and of the quotient; NaN sends every block to the
  // division.
  const T slack = 16 * std::numeric_limits<T>::epsilon();
  const T surely_below =
      threshold > T(0) ? threshold * (T(1) - slack) : std::numeric_limits<T>::quiet_NaN();
  KeptBoxes<T> kept(count);
  std::vector<int64_t> kept_indices;
  std::vector<char> fallen(std::min(count, kTile));

  for (int64_t tile = 0; tile < count; tile += kTile) {
    const int64_t in_tile = std::min(kTile, count - tile);
    const int64_t before = kept.size();
    const int64_t grain = count < kParallelFrom ? kTile : 64;
    at::parallel_for(0, in_tile, grain, [&](int64_t begin, int64_t end) {
      simd::vectorised([&](auto) TORCHDET_INLINE {
        for (int64_t i = begin; i < end; ++i) {
          fallen[i] = covered(kept, 0, read_box(boxes, order[tile + i]), threshold, surely_below);
        }
      });
    });
    simd::vectorised([&](auto) TORCHDET_INLINE {
      for (int64_t i = 0; i < in_tile; ++i) {
        const int64_t index = order[tile + i];
        const Box<T> box = read_box(boxes, index);
        if (fallen[i] || covered(kept, before, box, threshold, surely_below)) continue;
        kept.add(box);
        kept_indices.push_back(index);
      }
    });
  }
  return kept_indices;
}

template std::vector<int64_t> suppress<float>(const float*, const int64_t*, int64_t, double);
template std::vector<int64_t> suppress<double>(const double*, const int64_t*, int64_t, double);

}  // namespace torchdet::ops
