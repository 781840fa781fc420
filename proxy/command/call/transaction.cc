#include "command/call/transaction.h"

#include <utility>

#include "backend/backend.h"

namespace ringmaster {

void Transaction::ForgetWatchers() {
  for (const Watcher& watcher : std::exchange(watchers, {})) {
    watcher.backend->Discard(watcher.connection);
  }
  watched.clear();
}

}  // namespace ringmaster
