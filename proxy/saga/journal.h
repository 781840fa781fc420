// What is known about sagas after a crash: records in the state database (PROTOCOLS.md 5.3, 9.1).
// BEGIN, COMMIT, POISON and OPERATOR are durable in the sense of `saga.fsync` when their callback
// comes; END is at leisure. Records of one saga reach the disk in the order in which they were
// submitted.
//
// Any thread; callbacks run on the database's thread, as base/database.h says: post them to where
// they belong.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/database.h"
#include "base/result.h"
#include "saga/plan.h"
#include "saga/saga.h"

namespace ringmaster {

struct OpenSaga {
  SagaPlan plan;
  Saga::Found found = Saga::Found::kBegun;
  std::vector<size_t> poisoned;    // steps
  std::vector<std::string> notes;  // reasons and operator's actions, oldest first
};

class SagaJournal {
 public:
  using Callback = std::function<void(const Status&)>;

  // Makes its tables if there are none. `database` outlives the journal.
  static Result<std::unique_ptr<SagaJournal>> Open(Database& database);

  // Never used twice, also not after a restart.
  SagaId NextId();

  // `done` is called once, on the database's thread; it gets an error when the
  // record is surely not there (disk full, too many waiting): then nothing may be sent or said that
  // needs it.
  void Begin(const SagaPlan& plan, Callback done);
  void Commit(SagaId id, Callback done);
  void Poison(SagaId id, size_t step, std::string reason, Callback done);
  void Operator(SagaId id, std::string action, Callback done);
  void End(SagaId id);

  // Sagas without END, oldest first. Before any record is written by this process. Refuses when a
  // record is damaged, and says what to do.
  Result<std::vector<OpenSaga>> Load();

 private:
  explicit SagaJournal(Database& database) : database_(database) {}

  Database& database_;
  std::atomic<uint64_t> last_{0};
};

// A plan as bytes with a checksum, and back; nullopt for anything damaged, however.
std::string EncodePlan(const SagaPlan& plan);
std::optional<SagaPlan> DecodePlan(Bytes bytes);

}  // namespace ringmaster
