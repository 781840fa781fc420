// Accepts connections on one address and hands each socket to its owner.
#pragma once

#include <functional>
#include <memory>

#include "base/address.h"
#include "base/result.h"

namespace ringmaster {

class Loop;

class Listener {
 public:
  // Gets a connected socket, non-blocking and close-on-exec, to keep or to close.
  using Accepted = std::function<void(int fd)>;

  // Binds and listens. A host name is resolved once, here, and may block: called at start and
  // reload on the main thread only. A Unix socket file that nobody serves is replaced, and removed
  // again at the end.
  static Result<std::unique_ptr<Listener>> Open(Loop& loop, const Address& address,
                                                Accepted accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // As asked for; where port 0 left the choice to the system, with the port it chose.
  const Address& address() const { return address_; }

 private:
  struct Watcher;
  Listener(Loop& loop, Address address, int fd, Accepted accepted);
  void AcceptAll();

  Address address_;
  int fd_;
  int spare_fd_;  // given up for a moment when the process runs out of descriptors
  Accepted accepted_;
  Watcher* watcher_;
};

}  // namespace ringmaster
