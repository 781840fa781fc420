// Resolves an address and connects to it without ever blocking the loop; names are resolved anew
// at each attempt, so a changed DNS answer is followed. Tries every address of a name in turn.
#pragma once

#include <functional>
#include <memory>

#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"

namespace ringmaster {

class Loop;

class Connector {
 public:
  // A connected non-blocking socket, now the callee's, or why there is none.
  using Connected = std::function<void(Result<int> fd)>;

  // Starts at once. `connected` is called once, later, on the loop's thread, and may destroy the
  // connector. Destruction before that cancels.
  Connector(Loop& loop, const Address& address, Duration timeout, Connected connected);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

 private:
  struct Attempt;
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace ringmaster
