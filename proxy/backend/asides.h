// Requests of the proxy's own beside those of its clients: what a shard is to know ahead of a call,
// a question about a connection, a command that is asked in another's place. Each needs a place
// until its reply, whatever becomes of who asked.
//
// Owner: the BackendContext, on its worker's thread, which outlives every connection; each answers
// all that it was sent before it goes, so no place is left over. Reused, places allocate nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "backend/exchange.h"
#include "base/object_pool.h"

namespace ringmaster {

class Asides {
 public:
  // Gets the whole reply. The place is free by then: it may end who asked, or ask on.
  using Then = std::function<void(Outcome outcome, std::string reply)>;
  struct Options {
    bool read_only = false;     // twice does no harm (Exchange::read_only)
    bool nobody_waits = false;  // a client's reply may keep it waiting (Sink::Root)
  };

  Asides();
  ~Asides();
  Asides(const Asides&) = delete;
  Asides& operator=(const Asides&) = delete;

  // Sends it as Connection::Send does. `then` runs once, maybe from inside; empty: the reply is of
  // no interest. What it refers to is there for as long as `connection` is, or until the reply.
  void Send(Connection& connection, const Slice& request, Options options, Then then);
  // Sent and not answered.
  size_t under_way() const { return places_.live(); }

 private:
  class Aside;
  static constexpr size_t kKept = 64;

  ObjectPool<Aside> places_;
};

}  // namespace ringmaster
