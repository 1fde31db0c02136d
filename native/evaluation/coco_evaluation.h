// COCO's evaluation of detections: precision and recall for each category, range of areas and
// threshold, as pycocotools' COCOeval has them. The results own their memory.
#pragma once

#include <vector>

#include "types.h"

namespace torchdet::evaluation {

struct CocoOptions {
  // The first one holds all areas.
  std::vector<AreaRange> areas;
  // Most detections of an image and category that count, ascending.
  std::vector<int64_t> max_detections;
};

// -1 wherever there is no ground truth. The last index runs fastest.
struct CocoFigures {
  std::vector<double> precision;     // categories x areas x thresholds x 101 points of recall
  std::vector<double> scores;        // of the same points: categories x thresholds x 101, all areas
  std::vector<double> recall;        // categories x areas x max_detections x thresholds
  std::vector<int32_t> truth_count;  // categories: objects to be found, of all areas
  std::vector<int32_t> found_count;  // categories: detections that count
};

CocoFigures evaluate_coco(const Dataset& data, const CocoOptions& options, Progress progress,
                          const Checkpoint& checkpoint);

}  // namespace torchdet::evaluation
