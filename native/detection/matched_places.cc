#include "matched_places.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/stack.h>

namespace torchdet::detection {

at::Tensor MatchedPlaces::pick(const at::Tensor& output) const {
  return output.flatten(0, 1).index_select(0, rows);
}

MatchedPlaces matched_places(const std::vector<at::Tensor>& matches,
                             const std::vector<Target>& targets, int64_t first_label) {
  MatchedPlaces found;
  std::vector<at::Tensor> classes, rows, images, places, boxes;
  for (size_t i = 0; i < matches.size(); ++i) {
    const auto image = static_cast<int64_t>(i);
    places.push_back(at::nonzero(matches[i].ge(0)).squeeze(1));
    const at::Tensor object = matches[i].index_select(0, places[i]);
    const at::Tensor labels = targets[i].labels.index_select(0, object) - first_label;
    classes.push_back(matches[i].scatter(0, places[i], labels));
    rows.push_back(places[i] + image * matches[i].size(0));
    images.push_back(at::full_like(places[i], image));
    boxes.push_back(targets[i].boxes.index_select(0, object));
    found.counts.push_back(places[i].size(0));
  }
  found.classes = at::stack(classes);
  found.rows = at::cat(rows);
  found.images = at::cat(images);
  found.places = at::cat(places);
  found.boxes = at::cat(boxes);
  return found;
}

}  // namespace torchdet::detection
