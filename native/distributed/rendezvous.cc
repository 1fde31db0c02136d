#include "rendezvous.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace torchdet::distributed {
namespace {

using namespace std::chrono_literals;

std::string place_name(const Place& place) { return place.host + ":" + std::to_string(place.port); }

// A socket that listens at the place alone, not at all addresses of the machine as the store's own
// would. -1 where the address is not this machine's (one that is translated on the way, say): the
// store then listens everywhere.
int listen_at(const Place& place) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(place.port);
  if (getaddrinfo(place.host.c_str(), port.c_str(), &hints, &found) != 0) return -1;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);
  const int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0) return fd;
  const int reason = errno;
  close(fd);
  if (reason == EADDRNOTAVAIL) return -1;
  throw GroupError("rank 0 cannot listen at " + place_name(place) + ": " + std::strerror(reason) +
                   (reason == EADDRINUSE ? "; choose another MASTER_PORT" : ""));
}

c10::intrusive_ptr<c10d::Store> open_store(const Place& place) {
  c10d::TCPStoreOptions options;
  options.port = place.port;
  options.isServer = place.serves;
  options.waitWorkers = false;
  options.timeout = 10s;
  if (place.serves) {
    if (const int fd = listen_at(place); fd >= 0) options.masterListenFd = fd;
  }
  try {
    return c10::make_intrusive<c10d::TCPStore>(place.host, options);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    throw GroupError("no run of several processes answers at " + place_name(place) + ": " +
                     text.substr(0, text.find('\n')));
  }
}

std::string rank_key(int rank) { return "rank/" + std::to_string(rank); }

std::vector<std::string> missing_ranks(c10d::Store& store, const Place& place) {
  std::vector<std::string> missing;
  for (int rank = 0; rank < place.size; ++rank)
    if (!store.check({rank_key(rank)})) missing.push_back(std::to_string(rank));
  return missing;
}

void check_size(c10d::Store& store, const Place& place) {
  const std::string own = std::to_string(place.size);
  const std::vector<uint8_t> first =
      store.compareSet("size", {}, std::vector<uint8_t>(own.begin(), own.end()));
  const std::string size(first.begin(), first.end());
  if (size != own) {
    throw GroupError("rank " + std::to_string(place.rank) + " has WORLD_SIZE " + own +
                     ", the first process to come to " + place_name(place) + " has " + size);
  }
}

}  // namespace

c10::intrusive_ptr<c10d::Store> meet(const Place& place, const Checkpoint& checkpoint) {
  const auto deadline = std::chrono::steady_clock::now() + place.connect_timeout;
  const c10::intrusive_ptr<c10d::Store> store =
      c10::make_intrusive<c10d::PrefixStore>(place.prefix, open_store(place));
  check_size(*store, place);
  if (store->add(rank_key(place.rank), 1) > 1) {
    throw GroupError("another process at " + place_name(place) + " has RANK " +
                     std::to_string(place.rank) + " already");
  }
  for (auto missing = missing_ranks(*store, place); !missing.empty();
       missing = missing_ranks(*store, place)) {
    checkpoint();
    if (std::chrono::steady_clock::now() > deadline) {
      std::string list;
      for (const std::string& rank : missing) list += (list.empty() ? "" : ", ") + rank;
      throw GroupError("not all of the " + std::to_string(place.size) + " processes came to " +
                       place_name(place) + " in time; missing: rank " + list);
    }
    std::this_thread::sleep_for(20ms);
  }
  store->setTimeout(place.connect_timeout);
  return store;
}

}  // namespace torchdet::distributed
