#include "control/rebalance/epoch_log.h"

#include <fmt/format.h>

#include <random>
#include <utility>

#include "base/log.h"

namespace ringmaster {
namespace {

constexpr char kTables[] =
    "CREATE TABLE IF NOT EXISTS ring_epochs (pool BLOB, epoch INTEGER, state INTEGER, ring BLOB, "
    "PRIMARY KEY (pool, epoch)) WITHOUT ROWID";
constexpr char kIdentities[] = "CREATE TABLE IF NOT EXISTS ring_identity (name BLOB)";

Status RunAll(DatabaseSession& session, Bytes sql, std::vector<DatabaseValue> parameters = {}) {
  const auto rows = session.Run(sql, parameters);
  if (!rows) return rows.error();
  return Done();
}

}  // namespace

Result<EpochLog::Loaded> EpochLog::Load() {
  const Status made = database_.Execute([this](DatabaseSession& session) -> Status {
    if (Status tables = RunAll(session, kTables); !tables) return tables;
    return RunAll(session, "DELETE FROM ring_epochs WHERE pool = ? AND state = ?",
                  {pool_, int64_t{0}});
  });
  if (!made) return made.error();
  const auto rows = database_.Query(
      "SELECT epoch, state, ring FROM ring_epochs WHERE pool = ? ORDER BY epoch", {pool_});
  if (!rows) return rows.error();
  Loaded loaded;
  for (const DatabaseRow& row : *rows) {
    const auto* epoch = std::get_if<int64_t>(&row[0]);
    const auto* state = std::get_if<int64_t>(&row[1]);
    const auto* ring = std::get_if<std::string>(&row[2]);
    if (epoch == nullptr || state == nullptr || ring == nullptr) {
      return Error{ErrorCode::kInvalid, "the rings in " + database_.path() + " cannot be read"};
    }
    Entry entry{static_cast<uint64_t>(*epoch), *ring};
    if (static_cast<State>(*state) == State::kSettled) {
      loaded.settled = std::move(entry);
      loaded.moving.reset();
    } else {
      // A reversal's barrier stands behind that of the move it turns around.
      if (loaded.moving.has_value()) loaded.settled = std::move(loaded.moving);
      loaded.moving = std::move(entry);
    }
  }
  return loaded;
}

Result<std::string> EpochLog::Identity() {
  if (const Status made =
          database_.Execute([](DatabaseSession& session) { return RunAll(session, kIdentities); });
      !made) {
    return made.error();
  }
  const auto rows = database_.Query("SELECT name FROM ring_identity");
  if (!rows) return rows.error();
  if (!rows->empty()) {
    if (const auto* name = std::get_if<std::string>(&rows->front()[0])) return *name;
  }
  std::random_device random;
  const std::string name = fmt::format("{:08x}{:08x}", random(), random());
  const Status kept = database_.Execute([&](DatabaseSession& session) {
    return RunAll(session, "INSERT INTO ring_identity (name) VALUES (?)", {name});
  });
  if (!kept) return kept.error();
  return name;
}

void EpochLog::Write(State state, Entry entry, Done done) {
  const auto work = [pool = pool_, state,
                     entry = std::move(entry)](DatabaseSession& session) -> Status {
    const auto epoch = static_cast<int64_t>(entry.epoch);
    if (state == State::kSettled) {
      Status dropped =
          RunAll(session, "DELETE FROM ring_epochs WHERE pool = ? AND epoch < ?", {pool, epoch});
      if (!dropped) return dropped;
    }
    return RunAll(session, "INSERT OR REPLACE INTO ring_epochs VALUES (?, ?, ?, ?)",
                  {pool, epoch, static_cast<int64_t>(state), entry.ring});
  };
  database_.Submit(work, [done = std::move(done)](const Status& written) {
    if (!written) LogError("the state database: {}", written.error().text);
    done(written.ok());
  });
}

void EpochLog::Discard(uint64_t epoch, Done done) {
  const auto work = [pool = pool_, epoch](DatabaseSession& session) {
    return RunAll(session, "DELETE FROM ring_epochs WHERE pool = ? AND epoch = ? AND state = 0",
                  {pool, static_cast<int64_t>(epoch)});
  };
  database_.Submit(work, [done = std::move(done)](const Status& written) { done(written.ok()); });
}

}  // namespace ringmaster
