// RoIPool and its position-sensitive kin: the largest value, or the mean, of bins of whole pixels,
// and their gradients. Maps are not channels last. Own nothing.
#pragma once

#include <cfloat>
#include <cstdint>
#include <limits>

#include "../../ops/roi_bins.h"
#include "atomic.h"
#include "roi_align.h"

namespace torchdet::cuda {

// The pixels of one bin. `extra` as in bin_scale; bins end `cut` pixels before the map does.
template <typename Number>
struct PixelBins {
  RoiBins<Number> roi;
  int64_t height, width;
  Number scale;
  int64_t extra, cut;

  TORCHDET_HOST_DEVICE ops::Range rows(int64_t k, int64_t bin) const {
    const Number* r = roi.rois + k * 5;
    return ops::bin_scale(r[2], r[4], scale, extra, roi.pooled_height)
        .bin(bin / roi.pooled_width, height - cut);
  }

  TORCHDET_HOST_DEVICE ops::Range columns(int64_t k, int64_t bin) const {
    const Number* r = roi.rois + k * 5;
    return ops::bin_scale(r[1], r[3], scale, extra, roi.pooled_width)
        .bin(bin % roi.pooled_width, width - cut);
  }
};

template <typename Number>
struct RoiPoolForward {
  PixelBins<Number> pixels;
  const Number* maps;
  Number* out;      // K x channels x bins
  int32_t* argmax;  // same; y * width + x, or -1

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const RoiBins<Number>& roi = pixels.roi;
    const int64_t bin = index % roi.bins();
    const int64_t channel = index / roi.bins() % roi.channels;
    const int64_t k = index / roi.bins() / roi.channels;
    const int64_t image = roi.image(k);
    int32_t where = -1;
    if (image < 0) {
      out[index] = std::numeric_limits<Number>::quiet_NaN();
      argmax[index] = where;
      return;
    }
    const ops::Range rows = pixels.rows(k, bin);
    const ops::Range columns = pixels.columns(k, bin);
    const Number* map = maps + (image * roi.channels + channel) * pixels.height * pixels.width;
    // torchvision starts from the smallest finite float, whatever the dtype; NaN is never larger.
    Number largest = rows.empty() || columns.empty() ? Number(0) : Number(-FLT_MAX);
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x) {
        const int64_t pixel = y * pixels.width + x;
        if (!(map[pixel] > largest)) continue;
        largest = map[pixel];
        where = static_cast<int32_t>(pixel);
      }
    }
    out[index] = largest;
    argmax[index] = where;
  }
};

template <typename Number>
struct RoiPoolBackward {
  RoiBins<Number> roi;
  int64_t pixels;  // of a map
  const Number* grad;
  const int32_t* argmax;
  Number* maps;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const int64_t channel = index / roi.bins() % roi.channels;
    const int64_t image = roi.image(index / roi.bins() / roi.channels);
    const int32_t where = argmax[index];
    if (image < 0 || where < 0 || where >= pixels) return;
    add_to(maps + (image * roi.channels + channel) * pixels + where, grad[index]);
  }
};

template <typename Number>
struct PsRoiPoolForward {
  PixelBins<Number> pixels;
  const Number* maps;
  Number* out;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const RoiBins<Number>& roi = pixels.roi;
    const int64_t k = index / roi.channels;
    const int64_t channel = index % roi.channels;
    const int64_t image = roi.image(k);
    if (image < 0) {
      out[index] = std::numeric_limits<Number>::quiet_NaN();
      return;
    }
    const ops::Range rows = pixels.rows(k, channel % roi.bins());
    const ops::Range columns = pixels.columns(k, channel % roi.bins());
    const Number* map = maps + (image * roi.channels + channel) * pixels.height * pixels.width;
    Number sum = 0;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x) sum += map[y * pixels.width + x];
    }
    const bool empty = rows.empty() || columns.empty();
    out[index] = empty ? Number(0) : sum / static_cast<Number>(rows.size() * columns.size());
  }
};

template <typename Number>
struct PsRoiPoolBackward {
  PixelBins<Number> pixels;
  const Number* grad;
  Number* maps;

  TORCHDET_HOST_DEVICE void operator()(int64_t index) const {
    const RoiBins<Number>& roi = pixels.roi;
    const int64_t k = index / roi.channels;
    const int64_t channel = index % roi.channels;
    const int64_t image = roi.image(k);
    if (image < 0) return;
    const ops::Range rows = pixels.rows(k, channel % roi.bins());
    const ops::Range columns = pixels.columns(k, channel % roi.bins());
    if (rows.empty() || columns.empty()) return;
    const Number share = grad[index] / static_cast<Number>(rows.size() * columns.size());
    Number* map = maps + (image * roi.channels + channel) * pixels.height * pixels.width;
    for (int64_t y = rows.begin; y < rows.end; ++y) {
      for (int64_t x = columns.begin; x < columns.end; ++x)
        add_to(map + y * pixels.width + x, share);
    }
  }
};

}  // namespace torchdet::cuda
