// The state that must survive a crash: a SQLite database in WAL mode with one writer thread. Many
// submissions share one transaction, so that a commit costs each of them little. The only place
// that sees SQLite.
//
// One process at a time: Open takes a lock on <path>.lock and counts the incarnation up, durably,
// whatever `fsync` says, so that names made from it are never used twice.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ringmaster {

// A column's value: NULL, a number, or bytes (stored as BLOB).
using DatabaseValue = std::variant<std::monostate, int64_t, std::string>;
using DatabaseRow = std::vector<DatabaseValue>;

// Statements, prepared once and kept. On the writer thread, inside of a transaction.
class DatabaseSession {
 public:
  explicit DatabaseSession(sqlite3* handle) : handle_(handle) {}
  ~DatabaseSession();
  DatabaseSession(const DatabaseSession&) = delete;
  DatabaseSession& operator=(const DatabaseSession&) = delete;

  // `sql`: one statement with ? for each parameter. The rows it gives, if any.
  Result<std::vector<DatabaseRow>> Run(Bytes sql, std::span<const DatabaseValue> parameters = {});

 private:
  sqlite3* handle_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

class Database {
 public:
  // When a commit is on the disk. All of them survive a kill of the process.
  enum class Fsync : uint8_t {
    kAlways,       // before it is reported
    kEverySecond,  // a second later: a power failure may take the last second
    kNo,           // when the system likes
  };
  struct Options {
    std::string path;
    Fsync fsync = Fsync::kEverySecond;
    size_t max_waiting = 65536;  // submissions; beyond that they are refused
  };
  using Work = std::function<Status(DatabaseSession&)>;
  using Callback = std::function<void(const Status&)>;

  // Refuses, with the way out, when another process uses it or when it is damaged.
  static Result<std::unique_ptr<Database>> Open(Options options);
  // Carries out what was submitted, then stops.
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Counts the processes that opened this database, from a random number below 2^22 on.
  uint64_t incarnation() const { return incarnation_; }
  const std::string& path() const { return options_.path; }

  // Any thread. `work` runs on the writer thread, in the order of submission, in a transaction that
  // it shares with others; `done` runs there when that is committed, or when it is surely not: work
  // that fails is alone in that, what it shared the transaction with is done again without it.
  // `done` is short and never waits; it typically posts to a mailbox.
  void Submit(Work work, Callback done);
  // Runs it in a transaction of its own on this thread, when nothing else is under way and that
  // takes no waiting for the disk: for those to whom the way to the writer thread and back is dear.
  // nullopt: nothing happened, submit it. Not while a commit took longer than kSlow lately, nor
  // with kAlways.
  std::optional<Status> TryNow(const Work& work);
  static constexpr Duration kSlow = std::chrono::milliseconds(10);
  // The same as Submit, and waits for it. Not on the writer thread.
  Status Execute(Work work);
  Result<std::vector<DatabaseRow>> Query(std::string sql,
                                         std::vector<DatabaseValue> parameters = {});

  struct Figures {
    uint64_t submissions = 0;
    uint64_t transactions = 0;
    uint64_t failures = 0;
  };
  Figures figures() const;
  // Empty, or why the last transaction failed (disk full, ...); cleared by one that succeeds.
  std::string trouble() const;
  // Reads all of it and compares: what PROXY SAGAS JOURNAL VERIFY says. Waits.
  Status Verify();
  // The same from within work.
  static Status Check(DatabaseSession& session);

 private:
  struct Submission {
    Work work;
    Callback done;
  };

  explicit Database(Options options) : options_(std::move(options)) {}
  Status Prepare();
  Status OpenCheckpoints();
  int64_t Checkpoint();
  void Write();
  void WriteGroup(std::vector<Submission>& group);
  Status Transaction(std::span<Submission> group);

  const Options options_;
  int lock_ = -1;
  sqlite3* handle_ = nullptr;
  std::unique_ptr<DatabaseSession> session_;  // used by whoever set busy_
  // The log is brought into the database over a connection of its own, which writers do not wait
  // for.
  sqlite3* checkpoints_ = nullptr;
  std::unique_ptr<DatabaseSession> checkpointer_;
  uint64_t incarnation_ = 0;

  mutable Mutex mutex_;
  std::condition_variable wake_;
  std::vector<Submission> waiting_ RM_GUARDED_BY(mutex_);
  bool busy_ RM_GUARDED_BY(mutex_) = false;  // a transaction is under way
  // Something was written since the last checkpoint.
  bool unsynced_ RM_GUARDED_BY(mutex_) = false;
  TimePoint slow_until_ RM_GUARDED_BY(mutex_) = TimePoint::min();
  bool stop_ RM_GUARDED_BY(mutex_) = false;
  Figures figures_ RM_GUARDED_BY(mutex_);
  std::string trouble_ RM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ringmaster
