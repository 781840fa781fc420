// Digests of keys and their values, equal wherever the keys are and however a server keeps them:
// for PROXY VERIFY DIGEST. Shards compute them, by a script that reads a hundred elements at a
// time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "coro/task.h"

namespace ringmaster {

class RecipeCall;

// The sum of the digests of these keys of one shard: of name, database, type, value and whether it
// expires. Keys that are gone count nothing. An error: the shard does not say, or somebody writes.
Task<Result<uint64_t>> DigestKeys(RecipeCall& call, uint32_t shard, int database,
                                  const std::vector<std::string>& keys);

}  // namespace ringmaster
