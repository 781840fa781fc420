// Every socket that the process listens on, for clients and for operators. A reload changes them in
// two steps: what is new is bound before anything else changes, and what is gone is closed after
// nothing can fail any more. A socket whose address stays is kept, whatever is served behind it:
// nobody who connects meanwhile is turned away.
//
// Owner: the server, on the main thread.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "net/listener.h"
#include "net/tls.h"

namespace ringmaster {

class Loop;

// What is served at an address.
struct Door {
  Address address;
  std::optional<size_t> pool;       // none: the admin pages
  std::shared_ptr<TlsContext> tls;  // nullptr: without
};

class Listeners {
  struct Entry {
    Door door;
    std::unique_ptr<Listener> listener;
  };

 public:
  // Gets a connected socket, non-blocking and close-on-exec, to keep or to close.
  using Accepted = std::function<void(const Door& door, int fd)>;

  Listeners(Loop& loop, Accepted accepted) : loop_(loop), accepted_(std::move(accepted)) {}

  // What Commit takes. One that is dropped closes what it opened, and nothing else happened.
  class Prepared {
   private:
    friend class Listeners;
    struct Next {
      Door door;
      Entry* kept = nullptr;             // its socket stays
      std::unique_ptr<Listener> opened;  // or this is it
    };
    std::vector<Next> next_;
  };
  // REQUIRES: no two of `doors` with one address.
  Result<Prepared> Prepare(std::vector<Door> doors);
  // Cannot fail. REQUIRES: nothing was committed or closed since Prepare.
  void Commit(Prepared prepared);
  // The socket of the admin pages once more, for a thread that accepts there as well; below zero:
  // there is none. Closed by the caller.
  Result<int> DuplicateForAdmin() const;
  // No clients any more; operators may still look.
  void CloseForClients();
  void CloseAll() { entries_.clear(); }

 private:
  Entry* Find(const Address& address) const;
  Result<std::unique_ptr<Listener>> Open(const Address& address,
                                         const std::vector<Entry*>& leaving) const;

  Loop& loop_;
  const Accepted accepted_;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace ringmaster
