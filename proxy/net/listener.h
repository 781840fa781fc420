// Accepts connections on one address and hands each socket to its owner.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/address.h"
#include "base/result.h"
#include "net/timer.h"

namespace ringmaster {

class Loop;

class Listener {
 public:
  // Gets a connected socket, non-blocking and close-on-exec, to keep or to close.
  using Accepted = std::function<void(int fd)>;

  // Binds and listens; who connects waits until Start. A host name is resolved once, here, and may
  // block: called at start and reload on the main thread only. A Unix socket file that nobody
  // serves is replaced, and removed again at the end. `beside_ours`: listeners of this process that
  // share their port (SharePort) do not stand in the way.
  static Result<std::unique_ptr<Listener>> Bind(Loop& loop, const Address& address,
                                                bool beside_ours = false);
  // Accepts from now on. Cannot fail.
  void Start(Accepted accepted);
  // Both.
  static Result<std::unique_ptr<Listener>> Open(Loop& loop, const Address& address,
                                                Accepted accepted);
  // The same socket once more, for Adopt on another thread's loop. It listens for as long as either
  // is there. Closed by the caller, or by Adopt.
  Result<int> Duplicate() const;
  // Accepts on `fd`, which listens, from now on. It has no address, and logs nothing.
  static std::unique_ptr<Listener> Adopt(Loop& loop, int fd, Accepted accepted);
  // Whoever waits to be accepted is reset.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // As asked for; where port 0 left the choice to the system, with the port it chose.
  const Address& address() const { return address_; }
  // False: somebody removed or replaced the file of the Unix socket, so that nobody can connect.
  bool reachable() const;
  // While it does, another listener of this process may be bound to the same port.
  void SharePort(bool shares) const;
  // Takes whoever waits. REQUIRES: Start ran.
  void AcceptAll();

 private:
  struct Watcher;
  Listener(Loop& loop, Address address, int fd);
  void Watch();
  void Rest();

  Address address_;
  bool adopted_ = false;
  int fd_;
  uint64_t file_device_ = 0;  // what stands under the path of a Unix socket
  uint64_t file_number_ = 0;
  int spare_fd_;  // given up for a moment when the process runs out of descriptors
  Accepted accepted_;
  Watcher* watcher_;
  Timer rest_;  // from a failure to accept until the next try
};

}  // namespace ringmaster
