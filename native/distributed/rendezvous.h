// Where the processes of a run meet: a store of keys and values that rank 0 serves over TCP. Free
// functions; the store belongs to the caller.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include "process_group.h"

namespace torchdet::distributed {

// Returns once all processes have come. Throws GroupError where they do not within
// place.connect_timeout, or do not fit together.
c10::intrusive_ptr<c10d::Store> meet(const Place& place, const Checkpoint& checkpoint);

}  // namespace torchdet::distributed
