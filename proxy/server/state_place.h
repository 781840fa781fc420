// Where the state database is. Without a word in the configuration it has a place that works for
// whoever starts the proxy: systemd's ($STATE_DIRECTORY), the system's folder where it can be used,
// otherwise the user's.
#pragma once

#include <string>

#include "base/result.h"
#include "config/config.h"

namespace ringmaster {

struct StatePlace {
  std::string path;          // empty: no database, on purpose
  bool make_folder = false;  // it is not there yet; ours to make
};

// Changes nothing. An error says why there can be no database and what to do.
Result<StatePlace> FindStatePlace(const SagaConfig& saga);
// Makes the folder, for its user alone.
Status MakeStateFolder(const StatePlace& place);

}  // namespace ringmaster
