// The rings of each pool, epoch by epoch, in the state database: what survives a kill of the proxy
// in the middle of a move (docs/resharding.md). A ring is kept as text that only its writer
// understands.
//
//   plan     nothing was done yet: forgotten at the next start
//   barrier  the move from the ring of the epoch before is under way: it goes on at the next start
//   settled  every key is where this ring places it; earlier epochs are forgotten
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "storage/database.h"

namespace ringmaster {

class EpochLog {
 public:
  enum class State : uint8_t { kPlan, kAlone, kSettled };
  struct Entry {
    uint64_t epoch = 0;
    std::string ring;
  };
  struct Loaded {
    std::optional<Entry> settled;  // or what a move under way comes from
    std::optional<Entry> moving;   // a barrier behind it
  };
  using Done = std::function<void(bool ok)>;

  EpochLog(Database& database, std::string pool) : database_(database), pool_(std::move(pool)) {}

  // Drops plans. Waits; at start.
  Result<Loaded> Load();
  // Who this proxy is, in the names of its connections and on its shards: made once for a database.
  Result<std::string> Identity();

  // Any thread; `done` runs on the database's. Later writes are durable after earlier ones.
  void Write(State state, Entry entry, Done done);
  void Discard(uint64_t epoch, Done done);

 private:
  Database& database_;
  const std::string pool_;
};

}  // namespace ringmaster
