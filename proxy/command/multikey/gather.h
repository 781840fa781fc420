// Copies of foreign keys on their way to the shard that executes (command/multikey/over_shards.h).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "command/multikey/over_shards.h"
#include "coro/task.h"
#include "saga/watch.h"

namespace ringmaster {

class RecipeCall;

struct ForeignKey {
  std::string key;
  uint32_t shard = 0;  // its owner
  std::string dump;    // empty: it does not exist
  int64_t ttl_ms = 0;  // 0: none
  bool exists() const { return !dump.empty(); }
};

// Reads them from their owners, all at once. The text of an error reply, or nothing.
Task<std::string> FetchForeign(RecipeCall& call, int database, std::vector<ForeignKey>& keys);
// The same, and watches them from then on; by owner. REQUIRES: there are sagas.
using Watches = std::map<uint32_t, std::unique_ptr<Watch>>;
Task<std::string> FetchWatched(RecipeCall& call, int database, std::vector<ForeignKey>& keys,
                               Watches& watches);

// What came of several requests: a reply for each, or one error for all.
struct CopiesResult {
  std::string error;  // empty: they ran
  std::vector<std::string> replies;
};
// Runs the requests on the shard with these copies beside them, as one MULTI and EXEC.
Task<CopiesResult> RunBesideCopies(RecipeCall& call, uint32_t shard,
                                   const std::vector<ForeignKey>& copies,
                                   const std::vector<std::string>& requests);
// The same for the call itself; its reply.
Task<std::string> RunBesideCopies(RecipeCall& call, uint32_t shard,
                                  const std::vector<ForeignKey>& copies);

}  // namespace ringmaster
