#include "base/log.h"

#include <fcntl.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "base/bytes.h"
#include "base/mutex.h"

namespace ringmaster {
namespace {

std::atomic<int> g_level{static_cast<int>(LogLevel::kInfo)};

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::string JsonEscape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      out.push_back(c);
    }
  }
  return out;
}

// One for the life of the process, so that any thread may write at any time; where it writes to
// changes under its lock, which is ours rather than its base's.
class Output final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  Output() { Use({}, -1); }

  // `fd`: of the file, ours from now on; -1: standard error.
  void Use(LogOptions options, int fd) {
    const MutexLock lock(mutex_);
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
    options_ = std::move(options);
    set_pattern_(options_.json ? kJsonPattern : "%Y-%m-%d %H:%M:%S.%e %L [%t] %v");
  }
  LogOptions options() {
    const MutexLock lock(mutex_);
    return options_;
  }

 private:
  static constexpr char kJsonPattern[] =
      R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","thread":%t,"message":"%v"})";

  void sink_it_(const spdlog::details::log_msg& message) override {
    const MutexLock lock(mutex_);
    spdlog::memory_buf_t line;
    if (options_.json) {
      const std::string escaped = JsonEscape({message.payload.data(), message.payload.size()});
      spdlog::details::log_msg copy = message;
      copy.payload = escaped;
      formatter_->format(copy, line);
    } else {
      formatter_->format(message, line);
    }
    const int fd = fd_ >= 0 ? fd_ : STDERR_FILENO;
    for (size_t at = 0; at < line.size();) {
      const ssize_t wrote = write(fd, line.data() + at, line.size() - at);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) spdlog::throw_spdlog_ex("the log cannot be written", errno);
      at += static_cast<size_t>(wrote);
    }
  }
  void flush_() override {}

  Mutex mutex_;
  LogOptions options_ RM_GUARDED_BY(mutex_);
  int fd_ RM_GUARDED_BY(mutex_) = -1;
};

struct Log {
  std::shared_ptr<Output> output = std::make_shared<Output>();
  spdlog::logger logger{"ringmaster", output};
};

// Never destroyed: threads may write until the process has ended.
Log& TheLog() {
  static Log* const log = [] {
    auto* made = new Log;
    made->logger.set_level(spdlog::level::debug);
    return made;
  }();
  return *log;
}

}  // namespace

Result<PreparedLog> PreparedLog::Open(const LogOptions& options) {
  PreparedLog log(options);
  if (options.file.empty()) return log;
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::path(options.file).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, ignored);
  // Without waiting: a pipe that nobody reads would hold up the process.
  constexpr int kHow = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  log.fd_ = open(options.file.c_str(), kHow | O_EXCL, 0666);
  log.is_new_ = log.fd_ >= 0;
  if (log.fd_ < 0 && errno == EEXIST) log.fd_ = open(options.file.c_str(), kHow, 0666);
  if (log.fd_ < 0) {
    return Error{ErrorCode::kIo,
                 fmt::format("cannot open log file {}: {}", options.file, std::strerror(errno))};
  }
  fcntl(log.fd_, F_SETFL, fcntl(log.fd_, F_GETFL) & ~O_NONBLOCK);
  return log;
}

PreparedLog::PreparedLog(PreparedLog&& other) noexcept
    : options_(std::move(other.options_)),
      fd_(std::exchange(other.fd_, -1)),
      is_new_(std::exchange(other.is_new_, false)) {}

PreparedLog::~PreparedLog() {
  if (is_new_) unlink(options_.file.c_str());
  if (fd_ >= 0) close(fd_);
}

void UseLog(PreparedLog log) {
  log.is_new_ = false;
  g_level.store(static_cast<int>(log.options_.level), std::memory_order_relaxed);
  TheLog().output->Use(std::move(log.options_), std::exchange(log.fd_, -1));
}

Status OpenLog(const LogOptions& options) {
  Result<PreparedLog> log = PreparedLog::Open(options);
  if (!log) return log.error();
  UseLog(std::move(*log));
  return Done();
}

Status ReopenLog() {
  LogOptions options = TheLog().output->options();
  options.level = CurrentLogLevel();
  return OpenLog(options);
}

void SetLogLevel(LogLevel level) {
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

LogLevel CurrentLogLevel() {
  return static_cast<LogLevel>(g_level.load(std::memory_order_relaxed));
}

Result<LogLevel> ParseLogLevel(std::string_view name) {
  for (const LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError, LogLevel::kOff}) {
    if (EqualsIgnoreCase(name, LogLevelName(level))) return level;
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("unknown log level '{}': use debug, info, warning, error or off",
                           Printable(name))};
}

std::string_view LogLevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "info";
}

bool LogEnabled(LogLevel level) {
  return static_cast<int>(level) >= g_level.load(std::memory_order_relaxed);
}

void LogMessage(LogLevel level, std::string_view message) {
  TheLog().logger.log(ToSpdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

bool LogLimiter::Allow(TimePoint now, uint64_t* suppressed) {
  const int64_t at = now.time_since_epoch().count();
  int64_t next = next_.load(std::memory_order_relaxed);
  if (at < next || !next_.compare_exchange_strong(next, at + every_.count())) {
    held_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = held_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace ringmaster
