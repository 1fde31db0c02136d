// Images as JavaScript hands them over: pixels are borrowed, never copied; the job that uses them
// holds the JavaScript values.
#pragma once

#include <napi.h>

#include <vector>

#include "../detection/types.h"

namespace torchdet::binding {

std::vector<detection::ImageView> to_images(const Napi::Value& list);
std::vector<detection::ImageSize> to_sizes(const Napi::Value& list);

// {width, height, boxes, labels, scores, masks?, keypoints?, keypointsScores?}; small results are
// V8's own memory, so that they can be transferred and outlive the addon.
Napi::Object to_js(Napi::Env env, const detection::Detections& detections,
                   const detection::ImageSize& size);

}  // namespace torchdet::binding
