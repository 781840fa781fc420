#include "saga/journal.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <map>

#include "base/crash_point.h"

namespace ringmaster {
namespace {

constexpr uint8_t kVersion = 2;

// Rows after which those that nobody needs any more are removed.
constexpr int64_t kTrimEvery = 512;

// In front of `body`: the version and a checksum.
std::string Sealed(Bytes body) {
  std::string out;
  out.reserve(9 + body.size());
  out += static_cast<char>(kVersion);
  const uint64_t sum = XXH3_64bits(body.data(), body.size());
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(sum >> shift);
  return out.append(body);
}

// What Sealed was given; nullopt: it is damaged.
std::optional<Bytes> Unseal(Bytes bytes) {
  if (bytes.size() < 9 || bytes[0] != static_cast<char>(kVersion)) return std::nullopt;
  uint64_t sum = 0;
  for (size_t i = 8; i > 0; --i) sum = sum << 8 | static_cast<uint8_t>(bytes[i]);
  bytes.remove_prefix(9);
  if (XXH3_64bits(bytes.data(), bytes.size()) != sum) return std::nullopt;
  return bytes;
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
  Bytes rest() const { return rest_; }

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

constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS saga_log (lsn INTEGER PRIMARY KEY, records BLOB NOT NULL)";

Status Run(DatabaseSession& session, Bytes sql, std::span<const DatabaseValue> values) {
  const auto rows = session.Run(sql, values);
  if (!rows.ok()) return rows.error();
  return Done();
}

Status Insert(DatabaseSession& session, int64_t lsn, const std::string& records) {
  const DatabaseValue values[] = {lsn, Sealed(records)};
  return Run(session, "INSERT INTO saga_log (lsn, records) VALUES (?, ?)", values);
}

Error Damaged(int64_t lsn) {
  return {
      ErrorCode::kInvalid,
      fmt::format("row {} of the saga log is damaged. What its sagas were about to write may be "
                  "half done. Restore the database from a copy, or look on the shards for keys "
                  "named __rm:*, put right what they belong to, delete the row with `sqlite3 "
                  "<database> 'DELETE FROM saga_log WHERE lsn={}'` and start again",
                  lsn, lsn)};
}

}  // namespace

std::string EncodePlan(const SagaPlan& plan) {
  std::string body;
  size_t size = 64 + plan.command.size();
  for (const SagaStep& step : plan.steps) {
    size += 128;
    for (const StepKey& key : step.keys) size += 4 + key.key.size();
  }
  body.reserve(size);
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
  return Sealed(body);
}

std::optional<SagaPlan> DecodePlan(Bytes bytes) {
  const std::optional<Bytes> body = Unseal(bytes);
  if (!body) return std::nullopt;
  Decoder in(*body);
  SagaPlan plan;
  plan.id = in.Number();
  plan.pool = in.Text();
  plan.command = in.Text();
  for (size_t left = in.Count(); left > 0 && in.ok(); --left)
    plan.steps.push_back(ReadSagaStep(in));
  if (!in.done()) return std::nullopt;
  return plan;
}

void JournalBatch::Add(Kind kind, SagaId id, size_t step, Bytes text) {
  std::string record;
  record.reserve(32 + text.size());
  PutNumber(record, static_cast<uint64_t>(kind));
  PutNumber(record, id);
  PutNumber(record, step);
  PutText(record, text);
  records_.push_back({kind, id, std::move(record)});
}

void JournalBatch::Begin(const SagaPlan& plan) {
  RM_CRASH_POINT("journal-begin");
  Add(Kind::kBegin, plan.id, 0, EncodePlan(plan));
}
void JournalBatch::Commit(SagaId id) {
  RM_CRASH_POINT("journal-commit");
  Add(Kind::kCommit, id, 0, {});
}
void JournalBatch::Poison(SagaId id, size_t step, Bytes reason) {
  RM_CRASH_POINT("journal-poison");
  Add(Kind::kPoison, id, step, reason);
}
void JournalBatch::Operator(SagaId id, Bytes action) { Add(Kind::kOperator, id, 0, action); }
void JournalBatch::End(SagaId id) {
  RM_CRASH_POINT("journal-end");
  Add(Kind::kEnd, id, 0, {});
}

Result<std::unique_ptr<SagaJournal>> SagaJournal::Open(Database& database) {
  std::unique_ptr<SagaJournal> journal(new SagaJournal(database));
  const Status made = database.Execute([&](DatabaseSession& session) -> Status {
    const auto table = session.Run(kTable);
    if (!table.ok()) return table.error();
    const auto last = session.Run("SELECT COALESCE(MAX(lsn), 0) FROM saga_log");
    if (!last.ok()) return last.error();
    const MutexLock lock(journal->mutex_);
    journal->last_row_ = std::get<int64_t>(last->at(0).at(0));
    return Done();
  });
  if (!made.ok()) return made.error();
  return journal;
}

SagaJournal::~SagaJournal() {
  {
    const MutexLock lock(mutex_);
    closing_ = true;
  }
  // Callbacks of ours come before that of what is submitted behind them.
  static_cast<void>(database_.Execute([](DatabaseSession&) { return Done(); }));
}

SagaId SagaJournal::NextId() {
  return MakeSagaId(database_.incarnation(), last_.fetch_add(1, std::memory_order_relaxed) + 1);
}

std::optional<Status> SagaJournal::Write(JournalBatch batch, Callback later) {
  if (batch.empty()) return Done();
  auto written = std::make_shared<const std::vector<JournalBatch::Record>>(batch.Take());
  std::string records;
  for (const JournalBatch::Record& record : *written) records += record.bytes;
  int64_t row = 0;
  {
    const MutexLock lock(mutex_);
    row = ++last_row_;
    for (const JournalBatch::Record& record : *written) Track(record, row);
  }
  const auto insert = [&](DatabaseSession& session) { return Insert(session, row, records); };
  if (std::optional<Status> status = database_.TryNow(insert)) {
    OnWritten(*written, status->ok());
    return status;
  }
  database_.Submit([row, records = std::move(records)](
                       DatabaseSession& session) { return Insert(session, row, records); },
                   [this, written, later = std::move(later)](const Status& status) {
                     OnWritten(*written, status.ok());
                     later(status);
                   });
  return std::nullopt;
}

void SagaJournal::Track(const JournalBatch::Record& record, int64_t row) {
  if (record.kind == JournalBatch::Kind::kEnd) {
    open_.erase(record.saga);
    return;
  }
  Entry& open = open_[record.saga];
  if (record.kind == JournalBatch::Kind::kBegin) open = {row, {}, 0};
  open.records.push_back(record.bytes);
  ++open.unconfirmed;
}

void SagaJournal::OnWritten(const std::vector<JournalBatch::Record>& written, bool ok) {
  MutexLock lock(mutex_);
  for (const JournalBatch::Record& record : written) {
    const auto at = open_.find(record.saga);
    if (at == open_.end() || record.kind == JournalBatch::Kind::kEnd) continue;
    --at->second.unconfirmed;
    if (ok) continue;
    if (record.kind == JournalBatch::Kind::kBegin) {
      open_.erase(at);
    } else {
      std::erase(at->second.records, record.bytes);
    }
  }
  if (loaded_ && !closing_ && !trimming_ && last_row_ - trimmed_ >= kTrimEvery) {
    trimming_ = true;
    const auto trim = PlanTrim();
    lock.unlock();
    Trim(trim);
  }
}

// Rows are removed from the oldest on, so that no END goes before its BEGIN. What is open for long
// is written again behind all others; what is not yet known to be written stays where it is.
SagaJournal::TrimPlan SagaJournal::PlanTrim() {
  TrimPlan plan;
  const int64_t old = last_row_ - kTrimEvery / 2;
  plan.row = plan.keep = ++last_row_;
  for (auto& [id, open] : open_) {
    if (open.row < old && open.unconfirmed == 0) {
      for (const std::string& record : open.records) plan.again += record;
      plan.moved.emplace_back(id, std::exchange(open.row, plan.row));
    } else {
      plan.keep = std::min(plan.keep, open.row);
    }
  }
  return plan;
}

void SagaJournal::Trim(const TrimPlan& plan) {
  database_.Submit(
      [plan](DatabaseSession& session) -> Status {
        if (!plan.again.empty()) {
          Status inserted = Insert(session, plan.row, plan.again);
          if (!inserted.ok()) return inserted;
        }
        const DatabaseValue values[] = {plan.keep};
        return Run(session, "DELETE FROM saga_log WHERE lsn < ?", values);
      },
      [this, plan](const Status& status) {
        const MutexLock lock(mutex_);
        trimming_ = false;
        trimmed_ = plan.row;
        if (status.ok()) return;
        for (const auto& [id, before] : plan.moved) {
          if (const auto at = open_.find(id); at != open_.end()) at->second.row = before;
        }
      });
}

void SagaJournal::WriteOne(JournalBatch batch, const Callback& done) {
  if (const std::optional<Status> status = Write(std::move(batch), done)) done(*status);
}
void SagaJournal::Begin(const SagaPlan& plan, const Callback& done) {
  JournalBatch batch;
  batch.Begin(plan);
  WriteOne(std::move(batch), done);
}
void SagaJournal::Commit(SagaId id, const Callback& done) {
  JournalBatch batch;
  batch.Commit(id);
  WriteOne(std::move(batch), done);
}
void SagaJournal::Poison(SagaId id, size_t step, const std::string& reason, const Callback& done) {
  JournalBatch batch;
  batch.Poison(id, step, reason);
  WriteOne(std::move(batch), done);
}
void SagaJournal::Operator(SagaId id, const std::string& action, const Callback& done) {
  JournalBatch batch;
  batch.Operator(id, action);
  WriteOne(std::move(batch), done);
}
void SagaJournal::End(SagaId id) {
  JournalBatch batch;
  batch.End(id);
  WriteOne(std::move(batch), [](const Status&) {});
}

namespace {

// One record of a row, entered into what is open.
bool ReadRecord(Decoder& in, std::map<SagaId, OpenSaga>& open, JournalBatch::Record& record) {
  record.kind = static_cast<JournalBatch::Kind>(in.Number());
  record.saga = in.Number();
  const size_t step = in.Number();
  std::string text = in.Text();
  if (!in.ok()) return false;
  if (record.kind == JournalBatch::Kind::kBegin) {
    auto plan = DecodePlan(text);
    if (!plan || plan->id != record.saga) return false;
    OpenSaga begun;
    begun.plan = std::move(*plan);
    open[record.saga] = std::move(begun);
    return true;
  }
  const auto found = open.find(record.saga);
  if (found == open.end()) return true;
  OpenSaga& saga = found->second;
  switch (record.kind) {
    case JournalBatch::Kind::kCommit:
      saga.found = Saga::Found::kCommitted;
      return true;
    case JournalBatch::Kind::kPoison:
      saga.found = Saga::Found::kPoisoned;
      saga.poisoned.push_back(step);
      saga.notes.push_back(std::move(text));
      return true;
    case JournalBatch::Kind::kOperator:
      saga.notes.push_back(std::move(text));
      return true;
    case JournalBatch::Kind::kEnd:
      open.erase(found);
      return true;
    case JournalBatch::Kind::kBegin:
      break;
  }
  return false;
}

}  // namespace

Result<std::vector<OpenSaga>> SagaJournal::Load() {
  auto rows = database_.Query("SELECT lsn, records FROM saga_log ORDER BY lsn");
  if (!rows.ok()) return rows.error();
  std::map<SagaId, OpenSaga> open;
  const MutexLock lock(mutex_);
  open_.clear();
  for (const DatabaseRow& row : *rows) {
    const auto* lsn = std::get_if<int64_t>(&row[0]);
    const auto* sealed = std::get_if<std::string>(&row[1]);
    const std::optional<Bytes> body = sealed == nullptr ? std::nullopt : Unseal(*sealed);
    if (lsn == nullptr || !body) return Damaged(lsn == nullptr ? 0 : *lsn);
    Decoder in(*body);
    while (!in.done()) {
      JournalBatch::Record record;
      const Bytes rest = in.rest();
      if (!ReadRecord(in, open, record)) return Damaged(*lsn);
      record.bytes = rest.substr(0, rest.size() - in.rest().size());
      if (open.contains(record.saga) || record.kind == JournalBatch::Kind::kEnd)
        Track(record, *lsn);
    }
  }
  std::vector<OpenSaga> result;
  result.reserve(open.size());
  for (auto& [id, saga] : open) result.push_back(std::move(saga));
  for (auto& [id, saga] : open_) saga.unconfirmed = 0;
  loaded_ = true;
  return result;
}

}  // namespace ringmaster
