// Parameters of a shard's configuration that limit a quantity of the whole: to a client the shards
// together are one Redis, so a limit is cut into shares and shown as their sum.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace ringmaster {

bool IsQuantityOfAll(Bytes parameter);

// Of memory a shard that uses more than others gets more.
bool IsMemoryOfAll(Bytes parameter);

// What each shard gets of `value`: what it uses already, if there is enough of it for all, and of
// the rest a part by weight. Together exactly as much, but at least 1 each, because 0 stands for no
// limit; of 0 all get 0. Empty: it is no number of bytes or keys, which a shard refuses, or a
// percentage, which is the same for all. REQUIRES: the weights are not 0; as many are used, or
// none.
std::vector<std::string> SharesOf(Bytes value, const std::vector<uint32_t>& weights,
                                  const std::vector<uint64_t>& used = {});

// The sum of the shards' values; 0, no limit, when one has none. nullopt: they are no numbers.
std::optional<std::string> SumOfShares(const std::vector<Bytes>& values);

}  // namespace ringmaster
