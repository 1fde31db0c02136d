#include "labelled_classes.h"

#include <ATen/ops/ones.h>
#include <c10/util/StringUtil.h>

#include <algorithm>

namespace torchdet::detection {

at::Tensor labelled_columns(const std::vector<Target>& targets, int64_t first, int64_t end,
                            int64_t first_label, int64_t columns, c10::Device device) {
  const auto marks_all = [](const Target& target) { return !target.labelled_classes; };
  if (std::all_of(targets.begin(), targets.end(), marks_all)) return {};
  at::Tensor marked = at::ones({static_cast<int64_t>(targets.size()), columns},
                               at::TensorOptions().dtype(at::kBool));
  for (size_t i = 0; i < targets.size(); ++i) {
    if (marks_all(targets[i])) continue;
    bool* row = marked.mutable_data_ptr<bool>() + static_cast<int64_t>(i) * columns;
    std::fill_n(row, columns, false);
    if (first_label == 0) row[0] = true;
    for (const int64_t label : *targets[i].labelled_classes) {
      if (label < first || label >= end) {
        throw TargetError(c10::str("the labelled classes of image ", i, " name label ", label,
                                   "; this model's labels are ", first, " to ", end - 1));
      }
      row[label - first_label] = true;
    }
  }
  return marked.to(device);
}

}  // namespace torchdet::detection
