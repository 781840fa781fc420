// Logging for people and for machines. Any thread. Messages are formatted only when their level is
// on. What can repeat goes through LogLimiter, so that trouble is logged once and counted, not
// shouted (docs/architecture.md).
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace ringmaster {

enum class LogLevel : int { kDebug, kInfo, kWarning, kError, kOff };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  std::string file;   // empty: standard error
  bool json = false;  // one JSON object a line, otherwise text
  bool operator==(const LogOptions&) const = default;
};

// What a log of these options is written to: open, and not in use yet. One that is dropped leaves
// nothing behind.
class PreparedLog {
 public:
  static Result<PreparedLog> Open(const LogOptions& options);
  PreparedLog(PreparedLog&& other) noexcept;
  PreparedLog& operator=(PreparedLog&&) = delete;
  ~PreparedLog();

 private:
  friend void UseLog(PreparedLog log);
  explicit PreparedLog(LogOptions options) : options_(std::move(options)) {}

  LogOptions options_;
  int fd_ = -1;  // of the file; -1: standard error
  bool is_new_ = false;
};

// From now on messages go there; until the first call, to standard error as text. What was written
// to before is closed. Cannot fail.
void UseLog(PreparedLog log);
// Both.
Status OpenLog(const LogOptions& options);
// Opens the file again under its name, after a rotation (SIGUSR1).
Status ReopenLog();
void SetLogLevel(LogLevel level);
LogLevel CurrentLogLevel();
Result<LogLevel> ParseLogLevel(std::string_view name);
std::string_view LogLevelName(LogLevel level);

bool LogEnabled(LogLevel level);
void LogMessage(LogLevel level, std::string_view message);

template <typename... Args>
void LogDebug(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kDebug)) {
    LogMessage(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void LogInfo(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kInfo)) {
    LogMessage(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void LogWarning(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kWarning)) {
    LogMessage(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void LogError(fmt::format_string<Args...> format, Args&&... args) {
  if (LogEnabled(LogLevel::kError)) {
    LogMessage(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }
}

// Lets one message through each `every`; `suppressed` is how many were held back since the last.
// Any thread.
class LogLimiter {
 public:
  explicit LogLimiter(Duration every = std::chrono::seconds(1)) : every_(every) {}
  bool Allow(TimePoint now, uint64_t* suppressed);

 private:
  const Duration every_;
  std::atomic<int64_t> next_{INT64_MIN};
  std::atomic<uint64_t> held_{0};
};

}  // namespace ringmaster
