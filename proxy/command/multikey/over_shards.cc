#include "command/multikey/over_shards.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "command/gate/held_locks.h"
#include "command/multikey/gather.h"
#include "command/multikey/handlers.h"
#include "command/multikey/saga_calls.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "command/table/table.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
std::string LocksNotHad(RecipeCall& call, Bytes key) {
  return errors::NotApplied(call.routes().shard_name(call.routes().ShardOf(key)),
                            "its keys were not free in time: another write over several shards has "
                            "them locked, or the shard is slow to answer what came before; try "
                            "again, and look at PROXY SAGAS LIST");
}

std::vector<LockKey> LocksFor(const std::vector<NeededKey>& keys, bool gathers) {
  const auto written =
      std::count_if(keys.begin(), keys.end(), [](const NeededKey& key) { return key.writes; });
  const bool copies_stay = gathers && written > 1;
  std::vector<LockKey> locks;
  locks.reserve(keys.size());
  for (const NeededKey& key : keys) {
    locks.push_back({key.database, key.key, !key.writes && !copies_stay});
  }
  return locks;
}

Task<std::string> LockAndPlace(RecipeCall& call, HeldLocks& locks, std::vector<NeededKey>& keys) {
  std::vector<LockKey> wanted = LocksFor(keys);
  const bool locked = co_await locks.Acquire(std::move(wanted));
  if (!locked) co_return LocksNotHad(call, keys[0].key);
  call.TakeNewRoutes();
  Place(call.routes(), keys);
  co_return std::string();
}

bool NeededKeys::Add(const Command& command, std::span<const Bytes> args, int database) {
  std::vector<uint32_t> positions;
  std::vector<const char*> access;
  FoundKeys found{positions, &access};
  if (!FindKeys(*command.row, args, found)) return false;
  // A copy may be wanted in another database.
  const bool names_database =
      Bytes(command.row->name) == "copy" && args.size() > 4 && EqualsIgnoreCase(args[3], "db");
  const std::optional<int64_t> other = names_database ? ParseInteger(args[4]) : std::nullopt;
  for (size_t i = 0; i < positions.size(); ++i) {
    const Bytes how = access[i];
    // Where the row does not say how (GEORADIUS), the first is the one that is read.
    const bool writes = !command.Is(kReadOnly) && (how.empty() ? i > 0 : !how.starts_with("RO"));
    Add(args[positions[i]], other && i == 1 ? static_cast<int>(*other) : database, writes);
  }
  return true;
}

void NeededKeys::Add(Bytes key, int database, bool writes) {
  AssignLockName(name_, database, key);
  const auto [at, added] = places_.emplace(name_, keys_.size());
  if (added) {
    keys_.push_back({std::string(key), database, 0, writes});
  } else {
    keys_[at->second].writes = keys_[at->second].writes || writes;
  }
}

std::vector<NeededKey> KeysOf(RecipeCall& call) {
  NeededKeys keys;
  keys.Add(call.command(), call.args(), call.database());
  return keys.Take();
}

bool Place(const Routes& routes, std::vector<NeededKey>& keys) {
  bool several = false;
  for (NeededKey& key : keys) {
    key.shard = routes.ShardOf(key.key);
    several = several || key.shard != keys[0].shard;
  }
  return several;
}

uint32_t ExecutingShard(const std::vector<NeededKey>& keys) {
  const auto cost = [&](uint32_t shard) {
    std::pair<size_t, size_t> foreign{0, 0};
    for (const NeededKey& key : keys) {
      if (key.shard == shard) continue;
      ++foreign.second;
      if (key.writes) ++foreign.first;
    }
    return foreign;
  };
  uint32_t best = keys[0].shard;
  for (const NeededKey& key : keys) {
    // The last of equals, which is the destination where there is one: deletes come last then.
    if (cost(key.shard) <= cost(best)) best = key.shard;
  }
  return best;
}

Task<std::string> OverShardsRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys = KeysOf(call);
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  const uint32_t executing = ExecutingShard(keys);
  if (WritesForeign(keys, executing)) {
    if (call.context().sagas == nullptr) co_return errors::ManyShards(call.command().full_name);
    const std::vector<std::string> requests(1, call.wire());
    SagaExecution done = co_await ExecuteAsSaga(call, requests, executing, keys, locks);
    co_return done.error.empty() ? std::move(done.replies[0]) : std::move(done.error);
  }
  std::vector<ForeignKey> foreign;
  for (const NeededKey& key : keys) {
    if (key.shard != executing) foreign.push_back({key.key, key.shard, {}, 0});
  }
  const std::string error = co_await FetchForeign(call, call.database(), foreign);
  if (!error.empty()) co_return error;
  co_return co_await RunBesideCopies(call, executing, foreign);
}

bool WritesForeign(const std::vector<NeededKey>& keys, uint32_t executing) {
  return std::any_of(keys.begin(), keys.end(), [executing](const NeededKey& key) {
    return key.writes && key.shard != executing;
  });
}

Task<std::string> IsolatedReadRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys = KeysOf(call);
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  ClientState reader = call.StandIn();
  reader.in_exec = true;  // it has its locks
  std::vector<Bytes> args(call.args().begin(), call.args().end());
  co_return co_await call.Run(call.command(), std::move(args), reader, true);
}

Task<std::string> FirstOfShardsRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys = KeysOf(call);
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  // A key may be named twice.
  const auto rest = static_cast<ptrdiff_t>(2 + ParseInteger(call.args()[1]).value_or(0));
  std::string reply;
  for (const NeededKey& key : keys) {
    std::vector<Bytes> words = {call.args()[0], "1", key.key};
    words.insert(words.end(), call.args().begin() + rest, call.args().end());
    std::string request = MakeRequest(std::span<const Bytes>(words));
    Answer answer = co_await call.Ask(key.shard, std::move(request), false);
    reply = std::move(answer.reply);
    if (!ReadReply(reply).is_null()) break;
  }
  co_return reply;
}

}  // namespace ringmaster
