// What training in several processes exchanges: gradients, and the weights they begin with. Free
// functions that own nothing; all processes call them in the same order.
#pragma once

#include <vector>

#include "../training/optimizer.h"
#include "process_group.h"

namespace torchdet::distributed {

// Gradients of the optimizer's parameters become their mean over all processes, the same bits in
// each. A process in which a parameter got no gradient counts as zero; where no process has one,
// there is none after. Throws GroupError where the processes train different parameters.
void average_gradients(ProcessGroup& group, const training::Optimizer& optimizer,
                       const Checkpoint& checkpoint);

// All become rank 0's. Throws GroupError where names or shapes differ between processes.
void copy_from_first(ProcessGroup& group, const std::vector<training::NamedTensor>& tensors,
                     const Checkpoint& checkpoint);

}  // namespace torchdet::distributed
