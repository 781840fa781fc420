#include "storage/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <random>

#include "base/crash_point.h"

namespace ringmaster {
namespace {

// Of SQLite's ways to the files: no other process may use them, so that a commit takes no locks of
// the system's.
constexpr const char* kOneProcess = "unix-excl";

Error SqlError(sqlite3* handle, Bytes doing) {
  return {
      ErrorCode::kIo,
      fmt::format("{}: {}", doing, handle == nullptr ? "out of memory" : sqlite3_errmsg(handle))};
}

Status BindAll(sqlite3_stmt* statement, std::span<const DatabaseValue> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const int at = static_cast<int>(i) + 1;
    int code = SQLITE_OK;
    if (const auto* number = std::get_if<int64_t>(&values[i])) {
      code = sqlite3_bind_int64(statement, at, *number);
    } else if (const auto* text = std::get_if<std::string>(&values[i])) {
      code = sqlite3_bind_blob64(statement, at, text->data(), text->size(), SQLITE_STATIC);
    } else {
      code = sqlite3_bind_null(statement, at);
    }
    if (code != SQLITE_OK) return SqlError(sqlite3_db_handle(statement), "a parameter");
  }
  return Done();
}

DatabaseRow ReadRow(sqlite3_stmt* statement) {
  DatabaseRow row;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    switch (sqlite3_column_type(statement, i)) {
      case SQLITE_NULL:
        row.emplace_back();
        break;
      case SQLITE_INTEGER:
        row.emplace_back(static_cast<int64_t>(sqlite3_column_int64(statement, i)));
        break;
      default: {
        const void* data = sqlite3_column_blob(statement, i);
        const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, i));
        row.emplace_back(data == nullptr ? std::string()
                                         : std::string(static_cast<const char*>(data), size));
      }
    }
  }
  return row;
}

std::string WayOut(const std::string& path) {
  return fmt::format(
      "Restore {0} from a copy, or move {0}, {0}-wal and {0}-shm away together to start without "
      "them: "
      "what was under way is then not finished or undone (look for keys named __rm:* on the "
      "shards)",
      path);
}

// Another one for each database, with room above it: names on the shards are made of it, and those
// of two proxies, or of one that lost its database, must not be the same.
uint64_t FirstIncarnation() {
  constexpr uint32_t kFirstAtMost = 1U << 22;
  std::random_device random;
  return 1 + random() % kFirstAtMost;
}

}  // namespace

DatabaseSession::~DatabaseSession() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
}

Result<std::vector<DatabaseRow>> DatabaseSession::Run(Bytes sql,
                                                      std::span<const DatabaseValue> parameters) {
  sqlite3_stmt*& statement = statements_[std::string(sql)];
  if (statement == nullptr &&
      sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    return SqlError(handle_, sql);
  }
  Status bound = BindAll(statement, parameters);
  std::vector<DatabaseRow> rows;
  int code = SQLITE_ERROR;
  if (bound.ok()) {
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) rows.push_back(ReadRow(statement));
    if (code != SQLITE_DONE) bound = SqlError(handle_, sql);
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (!bound.ok()) return bound.error();
  return rows;
}

Result<std::unique_ptr<Database>> Database::Open(Options options) {
  std::unique_ptr<Database> database(new Database(std::move(options)));
  Status ready = database->Prepare();
  if (!ready.ok()) return ready.error();
  database->thread_ = std::thread([raw = database.get()] { raw->Write(); });
  return database;
}

Status Database::Prepare() {
  const std::string& path = options_.path;
  const std::string lock = path + ".lock";
  lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (lock_ < 0) {
    return Error{ErrorCode::kIo, fmt::format("{}: {}. Its folder must exist and be writable", lock,
                                             strerror(errno))};
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("{} is in use by another process: one proxy for each state database. Stop "
                    "that one first, or give this one another path",
                    path)};
  }
  if (sqlite3_open_v2(path.c_str(), &handle_,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                      kOneProcess) != SQLITE_OK) {
    return SqlError(handle_, path);
  }
  session_ = std::make_unique<DatabaseSession>(handle_);
  const auto refuse = [&](const Error& error) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("{} is damaged ({}). {}", path, error.text, WayOut(path))};
  };
  // FULL until the incarnation is on the disk.
  for (const char* pragma : {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                             "CREATE TABLE IF NOT EXISTS process (incarnation INTEGER NOT NULL)"}) {
    const auto rows = session_->Run(pragma);
    if (!rows.ok()) return refuse(rows.error());
  }
  const auto check = session_->Run("PRAGMA quick_check(1)");
  if (!check.ok()) return refuse(check.error());
  if (check->size() != 1 || check->front() != DatabaseRow{std::string("ok")}) {
    const auto* words = check->empty() ? nullptr : std::get_if<std::string>(&check->front()[0]);
    return refuse({ErrorCode::kInvalid, words == nullptr ? "the check says nothing" : *words});
  }
  const auto last = session_->Run("SELECT max(incarnation) FROM process");
  if (!last.ok()) return refuse(last.error());
  const auto* number = last->empty() ? nullptr : std::get_if<int64_t>(&last->front()[0]);
  incarnation_ = number == nullptr ? FirstIncarnation() : static_cast<uint64_t>(*number) + 1;
  for (const char* sql : {"DELETE FROM process", "INSERT INTO process VALUES (?)"}) {
    std::vector<DatabaseValue> values;
    if (sql[0] == 'I') values.emplace_back(static_cast<int64_t>(incarnation_));
    const auto rows = session_->Run(sql, values);
    if (!rows.ok()) return rows.error();
  }
  if (options_.fsync != Fsync::kAlways) {
    const auto rows = session_->Run(options_.fsync == Fsync::kNo ? "PRAGMA synchronous=OFF"
                                                                 : "PRAGMA synchronous=NORMAL");
    if (!rows.ok()) return rows.error();
  }
  return OpenCheckpoints();
}

// Whoever writes would otherwise bring a full log into the database himself, and wait for the disk.
Status Database::OpenCheckpoints() {
  const std::string& path = options_.path;
  if (sqlite3_open_v2(path.c_str(), &checkpoints_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                      kOneProcess) != SQLITE_OK) {
    return SqlError(checkpoints_, path);
  }
  checkpointer_ = std::make_unique<DatabaseSession>(checkpoints_);
  const char* const mode = options_.fsync == Fsync::kNo       ? "PRAGMA synchronous=OFF"
                           : options_.fsync == Fsync::kAlways ? "PRAGMA synchronous=FULL"
                                                              : "PRAGMA synchronous=NORMAL";
  const auto synchronous = checkpointer_->Run(mode);
  if (!synchronous.ok()) return synchronous.error();
  const auto automatic = session_->Run("PRAGMA wal_autocheckpoint=0");
  return automatic.ok() ? Status(Done()) : Status(automatic.error());
}

Database::~Database() {
  if (thread_.joinable()) {
    {
      const MutexLock guard(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  checkpointer_.reset();
  if (checkpoints_ != nullptr) sqlite3_close(checkpoints_);
  session_.reset();
  if (handle_ != nullptr) sqlite3_close(handle_);
  if (lock_ >= 0) close(lock_);
}

void Database::Submit(Work work, Callback done) {
  {
    const MutexLock guard(mutex_);
    if (waiting_.size() < options_.max_waiting) {
      waiting_.push_back({std::move(work), std::move(done)});
      ++figures_.submissions;
      if (waiting_.size() == 1) wake_.notify_one();
      return;
    }
    ++figures_.failures;
  }
  done(Error{ErrorCode::kLimit, fmt::format("{} records wait for {} already: its disk is too slow",
                                            options_.max_waiting, options_.path)});
}

// Pages of the log beyond which writers wait for a checkpoint.
constexpr int64_t kLargeLog = 4096;

std::optional<Status> Database::TryNow(const Work& work) {
  if (options_.fsync == Fsync::kAlways) return std::nullopt;
  const TimePoint began = MonotonicNow();
  {
    const MutexLock guard(mutex_);
    if (busy_ || stop_ || !waiting_.empty() || began < slow_until_) return std::nullopt;
    busy_ = true;
  }
  Submission only{work, nullptr};
  Status status = Transaction({&only, 1});
  const TimePoint ended = MonotonicNow();
  const MutexLock guard(mutex_);
  busy_ = false;
  if (ended - began > kSlow) slow_until_ = ended + std::chrono::seconds(1);
  ++figures_.submissions;
  ++figures_.transactions;
  if (!status.ok()) ++figures_.failures;
  trouble_ = status.ok() ? std::string() : status.error().text;
  // The writer looks for the time of the next checkpoint, or was kept from working.
  if (!std::exchange(unsynced_, true) || !waiting_.empty()) wake_.notify_one();
  return status;
}

// In synchronous=NORMAL it is the checkpoint that syncs the log, and then the database. Pages that
// the log has.
int64_t Database::Checkpoint() {
  const auto done = checkpointer_->Run("PRAGMA wal_checkpoint(PASSIVE)");
  if (!done.ok() || done->empty() || done->front().size() < 3) return 0;
  const auto* pages = std::get_if<int64_t>(&done->front()[1]);
  return pages == nullptr ? 0 : *pages;
}

void Database::Write() {
  TimePoint next_sync = TimePoint::max();
  std::vector<Submission> group;
  MutexLock guard(mutex_);
  for (;;) {
    const auto ready = [&]() RM_REQUIRES(mutex_) {
      return !busy_ && (stop_ || !waiting_.empty() || (unsynced_ && next_sync == TimePoint::max()));
    };
    if (next_sync != TimePoint::max()) {
      wake_.wait_until(guard.native(), next_sync, ready);
    } else {
      wake_.wait(guard.native(), ready);
    }
    if (waiting_.empty() && stop_ && !busy_) return;
    if (!busy_ && !waiting_.empty()) {
      group.swap(waiting_);
      busy_ = unsynced_ = true;
      guard.unlock();
      WriteGroup(group);
      group.clear();
      guard.lock();
      busy_ = false;
    }
    const TimePoint now = MonotonicNow();
    if (now >= next_sync) {
      next_sync = TimePoint::max();
      unsynced_ = false;
      guard.unlock();
      const bool large = Checkpoint() > kLargeLog;
      guard.lock();
      if (large && !busy_) {
        // The log begins anew only when all of it is in the database, for which writing must rest.
        busy_ = true;
        guard.unlock();
        Checkpoint();
        guard.lock();
        busy_ = false;
      }
    } else if (unsynced_ && next_sync == TimePoint::max()) {
      next_sync = now + std::chrono::seconds(1);
    }
  }
}

Status Database::Transaction(std::span<Submission> group) {
  auto step = session_->Run("BEGIN IMMEDIATE");
  if (!step.ok()) return step.error();
  Status worked = Done();
  for (Submission& each : group) {
    worked = each.work(*session_);
    if (!worked.ok()) break;
  }
  if (worked.ok()) {
    RM_CRASH_POINT("database-before-commit");
    step = session_->Run("COMMIT");
    RM_CRASH_POINT("database-after-commit");
    if (step.ok()) return worked;
    worked = step.error();
  }
  static_cast<void>(session_->Run("ROLLBACK"));
  return worked;
}

void Database::WriteGroup(std::vector<Submission>& group) {
  const Status together = Transaction(group);
  std::vector<Status> each(group.size(), together);
  uint64_t transactions = 1, failures = 0;
  if (!together.ok() && group.size() > 1) {
    for (size_t i = 0; i < group.size(); ++i) each[i] = Transaction({&group[i], 1});
    transactions += group.size();
  }
  std::string trouble;
  for (const Status& status : each) {
    if (status.ok()) continue;
    ++failures;
    trouble = status.error().text;
  }
  {
    const MutexLock guard(mutex_);
    figures_.transactions += transactions;
    figures_.failures += failures;
    trouble_ = trouble;
  }
  for (size_t i = 0; i < group.size(); ++i) group[i].done(each[i]);
}

Status Database::Execute(Work work) {
  std::promise<Status> promise;
  Submit(std::move(work), [&](const Status& status) { promise.set_value(status); });
  return promise.get_future().get();
}

Result<std::vector<DatabaseRow>> Database::Query(std::string sql,
                                                 std::vector<DatabaseValue> parameters) {
  std::vector<DatabaseRow> rows;
  const Status status = Execute([&](DatabaseSession& session) -> Status {
    auto result = session.Run(sql, parameters);
    if (!result.ok()) return result.error();
    rows = *std::move(result);
    return Done();
  });
  if (!status.ok()) return status.error();
  return rows;
}

Database::Figures Database::figures() const {
  const MutexLock guard(mutex_);
  return figures_;
}

std::string Database::trouble() const {
  const MutexLock guard(mutex_);
  return trouble_;
}

Status Database::Verify() {
  return Execute([](DatabaseSession& session) { return Check(session); });
}

Status Database::Check(DatabaseSession& session) {
  auto rows = session.Run("PRAGMA integrity_check(10)");
  if (!rows.ok()) return rows.error();
  if (rows->size() == 1 && rows->front() == DatabaseRow{std::string("ok")}) return Done();
  std::string words;
  for (const DatabaseRow& row : *rows) {
    if (const auto* text = std::get_if<std::string>(&row[0])) words += *text + "; ";
  }
  return Error{ErrorCode::kInvalid, words +
                                        "stop the proxy, keep a copy of the file, and recover "
                                        "it with the sqlite3 program (.recover)"};
}

}  // namespace ringmaster
