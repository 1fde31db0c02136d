#include "focal_loss_kernel.h"

#include <bit>
#include <cmath>

#include "../ops/simd.h"

namespace torchdet::detection {
namespace {

// exp(-x) for x >= 0, to about 1e-7 of the value; below 1e-37 it stays there.
TORCHDET_INLINE inline float exp_of_negative(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float t = x < 85.0f ? -x : -85.0f;
  const float n = (t * kLog2E + kRound) - kRound;
  const float r = (t - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

// log(1 + z) for 0 <= z <= 1, likewise: twice the area tangent of z / (2 + z), whose series needs
// no more than these terms up to 1/3.
TORCHDET_INLINE inline float log_one_plus(float z) {
  const float s = z / (2.0f + z);
  const float s2 = s * s;
  float p = 1.0f / 15;
  p = p * s2 + 1.0f / 13;
  p = p * s2 + 1.0f / 11;
  p = p * s2 + 1.0f / 9;
  p = p * s2 + 1.0f / 7;
  p = p * s2 + 1.0f / 5;
  p = p * s2 + 1.0f / 3;
  p = p * s2 + 1.0f;
  return 2.0f * s * p;
}

// What a logit means for the loss once it is turned so that a small one is right.
struct Wrong {
  float probability;  // of the wrong answer
  float complement;   // 1 - probability, without cancellation
  float entropy;      // -log(complement)

  TORCHDET_INLINE explicit Wrong(float logit) {
    const float z = exp_of_negative(logit < 0 ? -logit : logit);
    const float large = 1.0f / (1.0f + z), small = z * large;
    probability = logit < 0 ? small : large;
    complement = logit < 0 ? large : small;
    entropy = (logit < 0 ? 0.0f : logit) + log_one_plus(z);
  }

  TORCHDET_INLINE float loss() const { return probability * probability * entropy; }
  TORCHDET_INLINE float slope() const {
    return probability * probability * (2.0f * complement * entropy + probability);
  }
};

}  // namespace

double focal_loss_block(const float* logits, const SignedWeight* weights, int64_t count) {
  constexpr int64_t kLanes = 16;
  double lanes[kLanes] = {};
  ops::simd::vectorised([&](auto) TORCHDET_INLINE {
    const auto term = [=](int64_t i) TORCHDET_INLINE {
      const float weight = weights[i];
      return (weight < 0 ? -weight : weight) * Wrong(weight < 0 ? -logits[i] : logits[i]).loss();
    };
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
    for (; i < count; ++i) lanes[0] += term(i);
  });
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

void focal_loss_block_gradient(const float* logits, const SignedWeight* weights, float factor,
                               int64_t count, float* gradients) {
  ops::simd::vectorised([=](auto) TORCHDET_INLINE {
    for (int64_t i = 0; i < count; ++i) {
      const float weight = weights[i];
      gradients[i] = factor * weight * Wrong(weight < 0 ? -logits[i] : logits[i]).slope();
    }
  });
}

}  // namespace torchdet::detection
