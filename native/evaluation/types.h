// What an evaluation is made of: views over packed arrays, image after image. The caller owns the
// memory and keeps it until the evaluation has ended; nothing here is copied.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

namespace torchdet::evaluation {

// How two objects are compared, and where a detection's area comes from.
enum class Kind { kBoxes, kMasks, kKeypoints };

// Flags of ground truth.
constexpr uint8_t kCrowd = 1;  // a region of many objects: ignored, and may be matched repeatedly
constexpr uint8_t kDifficult = 2;  // ignored
constexpr uint8_t kNoMask = 4;     // ignored where masks are compared
// Flag of detections: of a class that the image does not mark exhaustively.
constexpr uint8_t kUnmarked = 1;

// Ground truth or detections of all images. Arrays that the kind does not need may be null.
struct ObjectList {
  const int32_t* offsets;     // objects of image i: offsets[i] to offsets[i + 1]
  const int32_t* categories;  // from 0
  const uint8_t* flags;
  const double* boxes;          // x, y, width, height
  const uint32_t* runs;         // COCO's runs of all masks, mask after mask
  const uint32_t* run_offsets;  // runs of object i: run_offsets[i] to run_offsets[i + 1]
  const double* keypoints;      // x, y, visibility for each keypoint
};

struct Dataset {
  Kind kind;
  int64_t categories;
  // Images in the order in which equal scores count.
  std::vector<int32_t> order;
  ObjectList truth;
  const double* areas;  // of ground truth
  ObjectList found;
  const double* scores;
  // Per keypoint: how far annotators stray, relative to the object's scale.
  std::vector<double> sigmas;

  int64_t truth_count() const { return truth.offsets[order.size()]; }
  int64_t found_count() const { return found.offsets[order.size()]; }
};

struct AreaRange {
  double lowest;
  double highest;
  bool holds(double area) const { return !(area < lowest || area > highest); }
};

// How far the work is, for another thread to look at.
struct Progress {
  std::atomic_ref<int32_t> done;
  std::atomic_ref<int32_t> total;
};

// Throws where the work is no longer wanted; may be called on any thread.
using Checkpoint = std::function<void()>;

}  // namespace torchdet::evaluation
