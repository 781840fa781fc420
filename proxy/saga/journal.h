// What is known about sagas after a crash: records in the state database (docs/sagas.md).
// BEGIN, COMMIT, POISON and OPERATOR are durable in the sense of `saga.fsync` when their callback
// comes; END is at leisure. Records of one saga reach the disk in the order in which they were
// submitted, which is from one thread.
//
// A log inside of the database: one row for each batch of records, removed from the oldest on when
// none of its sagas is open. So what a record costs is shared by all that a turn of a worker
// brings.
//
// Any thread; callbacks run on the database's thread, as storage/database.h says: post them to
// where they belong.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "base/result.h"
#include "saga/plan.h"
#include "saga/saga.h"
#include "storage/database.h"

namespace ringmaster {

struct OpenSaga {
  SagaPlan plan;
  Saga::Found found = Saga::Found::kBegun;
  std::vector<size_t> poisoned;    // steps
  std::vector<std::string> notes;  // reasons and operator's actions, oldest first
};

// Records that are written together: all of them, or none.
class JournalBatch {
 public:
  enum class Kind : uint8_t { kBegin = 1, kCommit, kPoison, kOperator, kEnd };
  struct Record {
    Kind kind = Kind::kEnd;
    SagaId saga = 0;
    std::string bytes;
  };

  void Begin(const SagaPlan& plan);
  void Commit(SagaId id);
  void Poison(SagaId id, size_t step, Bytes reason);
  void Operator(SagaId id, Bytes action);
  void End(SagaId id);
  bool empty() const { return records_.empty(); }
  std::vector<Record> Take() { return std::exchange(records_, {}); }

 private:
  void Add(Kind kind, SagaId id, size_t step, Bytes text);

  std::vector<Record> records_;
};

class SagaJournal {
 public:
  using Callback = std::function<void(const Status&)>;

  // Makes its table if there is none. `database` outlives the journal.
  static Result<std::unique_ptr<SagaJournal>> Open(Database& database);

  // Waits for what was submitted.
  ~SagaJournal();
  SagaJournal(const SagaJournal&) = delete;
  SagaJournal& operator=(const SagaJournal&) = delete;

  // Never used twice, also not after a restart.
  SagaId NextId();

  // Written at once when that takes no waiting: the result, and `later` is not called. nullopt: it
  // is called, once, on the database's thread. With an error the records are surely not there (disk
  // full, too many waiting): then nothing may be sent or said that needs them.
  std::optional<Status> Write(JournalBatch batch, Callback later);
  // The same for one record; `done` is called in both cases.
  void Begin(const SagaPlan& plan, const Callback& done);
  void Commit(SagaId id, const Callback& done);
  void Poison(SagaId id, size_t step, const std::string& reason, const Callback& done);
  void Operator(SagaId id, const std::string& action, const Callback& done);
  void End(SagaId id);

  // Sagas without END, oldest first. Before any record is written by this process, and without it
  // no row is ever removed. Refuses when a record is damaged, and says what to do.
  Result<std::vector<OpenSaga>> Load();

 private:
  // A saga without END, and where the log has it.
  struct Entry {
    int64_t row = 0;                   // of BEGIN
    std::vector<std::string> records;  // so far
    int unconfirmed = 0;               // of them; the rest is known to be written
  };

  explicit SagaJournal(Database& database) : database_(database) {}
  void Track(const JournalBatch::Record& record, int64_t row) RM_REQUIRES(mutex_);
  void OnWritten(const std::vector<JournalBatch::Record>& written, bool ok);
  void WriteOne(JournalBatch batch, const Callback& done);
  // Rows below `keep` go; `again`: records of open sagas that were there, in a row of their own.
  struct TrimPlan {
    int64_t row = 0;
    int64_t keep = 0;
    std::string again;
    std::vector<std::pair<SagaId, int64_t>> moved;  // and the row that they were in
  };
  TrimPlan PlanTrim() RM_REQUIRES(mutex_);
  void Trim(const TrimPlan& plan);

  Database& database_;
  std::atomic<uint64_t> last_{0};
  Mutex mutex_;
  std::unordered_map<SagaId, Entry> open_ RM_GUARDED_BY(mutex_);
  int64_t last_row_ RM_GUARDED_BY(mutex_) = 0;
  int64_t trimmed_ RM_GUARDED_BY(mutex_) = 0;  // the last row when rows were removed
  bool trimming_ RM_GUARDED_BY(mutex_) = false;
  bool loaded_ RM_GUARDED_BY(mutex_) = false;
  bool closing_ RM_GUARDED_BY(mutex_) = false;
};

// A plan as bytes with a checksum, and back; nullopt for anything damaged, however.
std::string EncodePlan(const SagaPlan& plan);
std::optional<SagaPlan> DecodePlan(Bytes bytes);

}  // namespace ringmaster
