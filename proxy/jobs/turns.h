// Where commands of the background class wait for their turn.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace ringmaster {

class Mailbox;

class BackgroundTurns {
 public:
  using Over = std::function<void()>;
  using Turn = std::function<void(Result<Over>)>;

  // Waits in the process's background queue under this name. `turn` comes by `home`, once: with
  // what to call when the work is done, or with an error when the job was cancelled or too many
  // wait. Any thread.
  virtual void AwaitTurn(Mailbox& home, std::string name, Turn turn) = 0;

 protected:
  ~BackgroundTurns() = default;
};

}  // namespace ringmaster
