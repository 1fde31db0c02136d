#include "quantize_calibration.h"

#include <cstring>

#include "state.h"

namespace torchdet::script {
namespace {

// FNV-1a over words of eight bytes, with a shift that lets high bits reach low ones.
class Fingerprint {
 public:
  void add(const void* data, size_t bytes) {
    const auto* at = static_cast<const char*>(data);
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), at += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, at, sizeof(word));
      mix(word);
    }
    uint64_t rest = bytes;
    std::memcpy(&rest, at, bytes);
    mix(rest);
  }

  std::string text() const {
    static const char* digits = "0123456789abcdef";
    std::string result;
    for (int shift = 60; shift >= 0; shift -= 4) result += digits[(state_ >> shift) & 15];
    return result;
  }

 private:
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * 0x100000001b3ULL;
    state_ ^= state_ >> 29;
  }

  uint64_t state_ = 0xcbf29ce484222325ULL;
};

}  // namespace

std::string weights_fingerprint(const torch::jit::Module& module) {
  Fingerprint fingerprint;
  for (const StateEntry& entry : state_of(module)) {
    const at::Tensor tensor = entry.tensor.detach().cpu().contiguous();
    fingerprint.add(entry.name.data(), entry.name.size());
    fingerprint.add(tensor.sizes().data(), tensor.sizes().size() * sizeof(int64_t));
    fingerprint.add(tensor.const_data_ptr(), tensor.nbytes());
  }
  return fingerprint.text();
}

}  // namespace torchdet::script
