#include "saga/journal.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "base/crash_point.h"

namespace ringmaster {
namespace {

constexpr uint8_t kVersion = 1;

uint32_t Crc32c(Bytes bytes) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
      made[i] = crc;
    }
    return made;
  }();
  uint32_t crc = ~0U;
  for (char c : bytes) crc = crc >> 8 ^ table[(crc ^ static_cast<uint8_t>(c)) & 255];
  return ~crc;
}

void PutNumber(std::string& out, uint64_t value) {
  for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
  out += static_cast<char>(value);
}

void PutText(std::string& out, Bytes text) {
  PutNumber(out, text.size());
  out += text;
}

// Reads what Put wrote; after a failure everything it gives is empty and ok() is false.
class Decoder {
 public:
  explicit Decoder(Bytes bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

  uint64_t Number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 127U} << shift;
      if (byte < 128) return value;
    }
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string Text() {
    const uint64_t size = Number();
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return "";
    }
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  // Of things that take a byte each at the least.
  size_t Count() {
    const uint64_t count = Number();
    if (count > rest_.size()) ok_ = false;
    return ok_ ? count : 0;
  }

 private:
  Bytes rest_;
  bool ok_ = true;
};

SagaStep ReadSagaStep(Decoder& in) {
  SagaStep step;
  step.kind = static_cast<StepKind>(in.Number() & 1);
  step.phase = static_cast<uint8_t>(in.Number());
  step.shard = in.Text();
  step.address = in.Text();
  step.run_id = in.Text();
  step.database = static_cast<int>(in.Number() & 0x7fffffff);
  for (size_t left = in.Count(); left > 0 && in.ok(); --left) {
    StepKey key;
    key.image = static_cast<ImageKind>(in.Number() & 127);
    key.key = in.Text();
    step.keys.push_back(std::move(key));
  }
  for (size_t left = in.Count(); left > 0 && in.ok(); --left) step.copies.push_back(in.Text());
  return step;
}

// Kinds of rows in saga_events.
enum Event : int64_t { kCommit = 1, kPoison = 2, kOperator = 3 };

constexpr const char* kSagas =
    "CREATE TABLE IF NOT EXISTS sagas (id INTEGER PRIMARY KEY, plan BLOB NOT NULL)";
constexpr const char* kEvents =
    "CREATE TABLE IF NOT EXISTS saga_events (lsn INTEGER PRIMARY KEY, saga INTEGER NOT NULL, "
    "kind INTEGER NOT NULL, step INTEGER, text BLOB)";
constexpr const char* kEventsBySaga =
    "CREATE INDEX IF NOT EXISTS saga_events_saga ON saga_events (saga)";

Status Write(DatabaseSession& session, Bytes sql, std::initializer_list<DatabaseValue> values) {
  const std::vector<DatabaseValue> parameters(values);
  const auto rows = session.Run(sql, parameters);
  if (!rows.ok()) return rows.error();
  return Done();
}

Status AddEvent(DatabaseSession& session, SagaId id, Event kind, DatabaseValue step,
                DatabaseValue text) {
  return Write(session, "INSERT INTO saga_events (saga, kind, step, text) VALUES (?, ?, ?, ?)",
               {static_cast<int64_t>(id), int64_t{kind}, std::move(step), std::move(text)});
}

Error Damaged(int64_t id) {
  return {
      ErrorCode::kInvalid,
      fmt::format("the record of saga {} is damaged. What it was about to write may be half done. "
                  "Restore the database from a copy, or look on the shards for keys named "
                  "__rm:{}:*, then delete the row with `sqlite3 <database> 'DELETE FROM sagas "
                  "WHERE id={}'` and start again",
                  id, SagaName(static_cast<SagaId>(id)), id)};
}

}  // namespace

std::string EncodePlan(const SagaPlan& plan) {
  std::string body;
  PutNumber(body, plan.id);
  PutText(body, plan.pool);
  PutText(body, plan.command);
  PutNumber(body, plan.steps.size());
  for (const SagaStep& step : plan.steps) {
    PutNumber(body, static_cast<uint64_t>(step.kind));
    PutNumber(body, step.phase);
    PutText(body, step.shard);
    PutText(body, step.address);
    PutText(body, step.run_id);
    PutNumber(body, static_cast<uint64_t>(step.database));
    PutNumber(body, step.keys.size());
    for (const StepKey& key : step.keys) {
      PutNumber(body, static_cast<uint64_t>(key.image));
      PutText(body, key.key);
    }
    PutNumber(body, step.copies.size());
    for (const std::string& copy : step.copies) PutText(body, copy);
  }
  std::string out(1, static_cast<char>(kVersion));
  const uint32_t crc = Crc32c(body);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(crc >> shift);
  return out + body;
}

std::optional<SagaPlan> DecodePlan(Bytes bytes) {
  if (bytes.size() < 5 || bytes[0] != static_cast<char>(kVersion)) return std::nullopt;
  uint32_t crc = 0;
  for (int i = 4; i > 0; --i) crc = crc << 8 | static_cast<uint8_t>(bytes[static_cast<size_t>(i)]);
  bytes.remove_prefix(5);
  if (Crc32c(bytes) != crc) return std::nullopt;
  Decoder in(bytes);
  SagaPlan plan;
  plan.id = in.Number();
  plan.pool = in.Text();
  plan.command = in.Text();
  for (size_t left = in.Count(); left > 0 && in.ok(); --left)
    plan.steps.push_back(ReadSagaStep(in));
  if (!in.done()) return std::nullopt;
  return plan;
}

Result<std::unique_ptr<SagaJournal>> SagaJournal::Open(Database& database) {
  const Status made = database.Execute([](DatabaseSession& session) -> Status {
    for (const char* table : {kSagas, kEvents, kEventsBySaga}) {
      const auto rows = session.Run(table);
      if (!rows.ok()) return rows.error();
    }
    return Done();
  });
  if (!made.ok()) return made.error();
  return std::unique_ptr<SagaJournal>(new SagaJournal(database));
}

SagaId SagaJournal::NextId() {
  return MakeSagaId(database_.incarnation(), last_.fetch_add(1, std::memory_order_relaxed) + 1);
}

void SagaJournal::Begin(const SagaPlan& plan, Callback done) {
  RM_CRASH_POINT("journal-begin");
  database_.Submit(
      [id = plan.id, bytes = EncodePlan(plan)](DatabaseSession& session) {
        return Write(session, "INSERT INTO sagas (id, plan) VALUES (?, ?)",
                     {static_cast<int64_t>(id), bytes});
      },
      std::move(done));
}

void SagaJournal::Commit(SagaId id, Callback done) {
  RM_CRASH_POINT("journal-commit");
  database_.Submit(
      [id](DatabaseSession& session) { return AddEvent(session, id, kCommit, {}, {}); },
      std::move(done));
}

void SagaJournal::Poison(SagaId id, size_t step, std::string reason, Callback done) {
  RM_CRASH_POINT("journal-poison");
  database_.Submit(
      [id, step, reason = std::move(reason)](DatabaseSession& session) {
        return AddEvent(session, id, kPoison, static_cast<int64_t>(step), reason);
      },
      std::move(done));
}

void SagaJournal::Operator(SagaId id, std::string action, Callback done) {
  database_.Submit(
      [id, action = std::move(action)](DatabaseSession& session) {
        return AddEvent(session, id, kOperator, {}, action);
      },
      std::move(done));
}

void SagaJournal::End(SagaId id) {
  RM_CRASH_POINT("journal-end");
  database_.Submit(
      [id](DatabaseSession& session) {
        const auto key = static_cast<int64_t>(id);
        Status events = Write(session, "DELETE FROM saga_events WHERE saga = ?", {key});
        if (!events.ok()) return events;
        return Write(session, "DELETE FROM sagas WHERE id = ?", {key});
      },
      [](const Status&) {});
}

Result<std::vector<OpenSaga>> SagaJournal::Load() {
  auto plans = database_.Query("SELECT id, plan FROM sagas ORDER BY id");
  if (!plans.ok()) return plans.error();
  auto events = database_.Query("SELECT saga, kind, step, text FROM saga_events ORDER BY lsn");
  if (!events.ok()) return events.error();
  std::map<int64_t, OpenSaga> open;
  for (const DatabaseRow& row : *plans) {
    const auto* id = std::get_if<int64_t>(&row[0]);
    const auto* bytes = std::get_if<std::string>(&row[1]);
    auto plan = bytes == nullptr ? std::nullopt : DecodePlan(*bytes);
    if (id == nullptr || !plan || plan->id != static_cast<SagaId>(*id)) {
      return Damaged(id == nullptr ? 0 : *id);
    }
    open[*id].plan = std::move(*plan);
  }
  for (const DatabaseRow& row : *events) {
    const auto* id = std::get_if<int64_t>(&row[0]);
    const auto* kind = std::get_if<int64_t>(&row[1]);
    if (id == nullptr || kind == nullptr) return Damaged(0);
    const auto found = open.find(*id);
    if (found == open.end()) continue;
    OpenSaga& saga = found->second;
    if (*kind == kCommit) saga.found = Saga::Found::kCommitted;
    if (*kind == kPoison) {
      saga.found = Saga::Found::kPoisoned;
      const auto* step = std::get_if<int64_t>(&row[2]);
      if (step != nullptr && *step >= 0) saga.poisoned.push_back(static_cast<size_t>(*step));
    }
    if (const auto* text = std::get_if<std::string>(&row[3])) saga.notes.push_back(*text);
  }
  std::vector<OpenSaga> result;
  result.reserve(open.size());
  for (auto& [id, saga] : open) result.push_back(std::move(saga));
  return result;
}

}  // namespace ringmaster
