#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

#include "base/bytes.h"

namespace ringmaster {
namespace {

std::mutex g_open_mutex;
LogOptions g_options;
std::shared_ptr<spdlog::logger> g_logger;  // guarded by g_open_mutex for writers
std::atomic<spdlog::logger*> g_current{nullptr};
std::atomic<bool> g_json{false};
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

Status OpenLocked(const LogOptions& options) {
  std::shared_ptr<spdlog::logger> logger;
  try {
    std::shared_ptr<spdlog::sinks::sink> sink;
    if (options.file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file);
    }
    logger = std::make_shared<spdlog::logger>("ringmaster", std::move(sink));
  } catch (const std::exception& e) {
    return Error{ErrorCode::kIo,
                 fmt::format("cannot open log file {}: {}", options.file, e.what())};
  }
  logger->set_pattern(
      options.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l","thread":%t,"message":"%v"})"
                   : "%Y-%m-%d %H:%M:%S.%e %L [%t] %v");
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::debug);
  // Loggers of earlier options stay: another thread may be writing through one right now, and
  // there are only as many as there were reloads.
  static std::vector<std::shared_ptr<spdlog::logger>> retired;
  if (g_logger) retired.push_back(g_logger);
  g_logger = std::move(logger);
  g_current.store(g_logger.get(), std::memory_order_release);
  g_options = options;
  g_json.store(options.json, std::memory_order_relaxed);
  g_level.store(static_cast<int>(options.level), std::memory_order_relaxed);
  return Done();
}

}  // namespace

Status OpenLog(const LogOptions& options) {
  const std::lock_guard lock(g_open_mutex);
  return OpenLocked(options);
}

Status ReopenLog() {
  const std::lock_guard lock(g_open_mutex);
  LogOptions options = g_options;
  options.level = CurrentLogLevel();
  return OpenLocked(options);
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
  spdlog::logger* logger = g_current.load(std::memory_order_acquire);
  if (logger == nullptr) {
    const std::lock_guard lock(g_open_mutex);
    if (g_current.load(std::memory_order_acquire) == nullptr && !OpenLocked(g_options)) return;
    logger = g_current.load(std::memory_order_acquire);
  }
  if (g_json.load(std::memory_order_relaxed)) {
    logger->log(ToSpdlog(level), "{}", JsonEscape(message));
  } else {
    logger->log(ToSpdlog(level), "{}", message);
  }
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
