// LibTorch's process group over Gloo: collectives on CPU tensors, over TCP.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

namespace torchdet::distributed {

// Connects with all others through the store; every process of the run calls it. `local_address` is
// one of this machine's, which the others reach. A collective that takes longer than `timeout`
// fails.
c10::intrusive_ptr<c10d::Backend> make_gloo_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    int rank, int size,
                                                    const std::string& local_address,
                                                    std::chrono::milliseconds timeout);

}  // namespace torchdet::distributed
