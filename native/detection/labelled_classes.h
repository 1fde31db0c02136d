// Images in which not every class is marked (Target::labelled_classes), as data sets that are
// merged have them: what they say of a place without a box. Free functions that own nothing.
//
// A place without a box is a negative example of the classes that the image marks, and of no other.
// For sigmoids (RetinaNet, FCOS) the logits of the others do not count there. For a softmax (SSD)
// they are left out of its sum there: the place is background rather than one of the marked
// classes, and nothing is said of the others. Places with a box are negatives of every other class.
// Label 0 is marked in every image: it is the background, or, in RetinaNet and FCOS, a class that
// no object has where labels start at 1, as those of torchdet's data sets do.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "types.h"

namespace torchdet::detection {

// N x `columns` bool: whether column c, which stands for label c + `first_label`, is marked in the
// image; undefined where every image marks all. Labels named must lie in `first` to `end` - 1;
// throws TargetError.
at::Tensor labelled_columns(const std::vector<Target>& targets, int64_t first, int64_t end,
                            int64_t first_label, int64_t columns, c10::Device device);

}  // namespace torchdet::detection
