// Every kernel that is launched, for the two files that compile launch() for them.
#pragma once

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "deform_conv2d.h"
#include "image_batch.h"
#include "roi_align.h"
#include "roi_pool.h"
#include "suppression.h"

#define TORCHDET_FOR_EACH_KERNEL_OF(T, visit) \
  visit(SuppressionBits<T>);                  \
  visit(RoiAlignForward<T, T>);               \
  visit(RoiAlignBackward<T>);                 \
  visit(PsRoiAlignForward<T>);                \
  visit(PsRoiAlignBackward<T>);               \
  visit(RoiPoolForward<T>);                   \
  visit(RoiPoolBackward<T>);                  \
  visit(PsRoiPoolForward<T>);                 \
  visit(PsRoiPoolBackward<T>);                \
  visit(DeformColumns<T>);                    \
  visit(DeformInputGradient<T>);              \
  visit(DeformOffsetGradient<T>)

#define TORCHDET_FOR_EACH_KERNEL(visit)         \
  TORCHDET_FOR_EACH_KERNEL_OF(float, visit);    \
  TORCHDET_FOR_EACH_KERNEL_OF(double, visit);   \
  visit(RoiAlignForward<c10::Half, float>);     \
  visit(RoiAlignForward<c10::BFloat16, float>); \
  visit(FillBatch)
