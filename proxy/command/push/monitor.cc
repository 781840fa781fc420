// MONITOR: what the clients of the pool send, whichever worker they are on.
#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "command/push/push_hub.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Lines of one turn, and turns on their way to other workers: what is beyond is dropped.
constexpr size_t kMostLines = 4U << 20;
constexpr size_t kMostBatches = 64;
// How often and how many times it is asked whether the shards show what scripts do.
constexpr Duration kLookAgain = std::chrono::milliseconds(2);
constexpr int kWaitForShards = 250;

// As Redis's sdscatrepr.
void AppendQuoted(std::string& out, Bytes word) {
  out += '"';
  for (const char c : word) {
    switch (c) {
      case '\\':
      case '"':
        out += '\\';
        out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\a':
        out += "\\a";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out += c;
        } else {
          out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  out += '"';
}

// From which word on the arguments are secrets; 0: none is.
size_t SecretFrom(const Command& command, std::span<const Bytes> args, size_t* end) {
  *end = args.size();
  const Bytes name = command.row->name;
  if (name == "auth") return 1;
  if (name == "hello") {
    for (size_t i = 2; i < args.size(); ++i) {
      if (!EqualsIgnoreCase(args[i], "auth")) continue;
      *end = std::min(args.size(), i + 3);
      return i + 1;
    }
  }
  if (name == "migrate") {
    for (size_t i = 6; i < args.size(); ++i) {
      const bool one = EqualsIgnoreCase(args[i], "auth");
      if (!one && !EqualsIgnoreCase(args[i], "auth2")) continue;
      *end = std::min(args.size(), i + (one ? 2 : 3));
      return i + 1;
    }
  }
  return 0;
}

// These skip MONITOR in Redis's table and are shown by their own code, in front of what they do, or
// behind it.
bool ShowsItself(const Command& command) {
  return command.Is(kRunsScript) || Bytes(command.row->name) == "exec";
}

}  // namespace

bool PushHub::HasRoomForLine() {
  if (monitored_.size() <= kMostLines && monitored_batches_ <= kMostBatches) return true;
  ++monitored_dropped_;
  return false;
}

void PushHub::ShowToMonitors(ClientView& client, const Command& command,
                             std::span<const Bytes> args) {
  if (command.Is(kAdmin) || (command.Is(kSkipMonitor) && !ShowsItself(command))) return;
  if (!HasRoomForLine()) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  monitored_ += fmt::format("+{}.{:06} [{} {}]", micros / 1000000, micros % 1000000,
                            client.state().database, client.address());
  size_t secret_end = 0;
  const size_t secret = SecretFrom(command, args, &secret_end);
  for (size_t i = 0; i < args.size(); ++i) {
    monitored_ += ' ';
    AppendQuoted(monitored_, secret != 0 && i >= secret && i < secret_end ? "(redacted)" : args[i]);
  }
  monitored_ += "\r\n";
}

void PushHub::EndTurn() {
  if (monitored_.empty() || stopping_) return;
  if (monitored_dropped_ > 0) {
    LogWarning("MONITOR cannot follow: {} commands are not shown", monitored_dropped_);
    monitored_dropped_ = 0;
  }
  const auto lines = std::make_shared<const std::string>(std::exchange(monitored_, std::string()));
  ++monitored_batches_;
  context_.proxy.VisitWorkers(
      [lines](WorkerView& worker, std::string&) { worker.push()->SendToMonitors(*lines); },
      [this](std::vector<std::string>) { --monitored_batches_; });
}

void PushHub::CountMonitors(int change, bool watches) {
  context_.monitors = static_cast<uint32_t>(static_cast<int>(context_.monitors) + change);
  if (!watches || (context_.monitors != 0) == (scripts_ != nullptr)) return;
  if (context_.monitors == 0) return scripts_.reset();
  // By the way of all lines: so they come behind the call of the script, which went there first.
  scripts_ = std::make_unique<ScriptMonitor>(context_.router, [this](Bytes line) {
    if (!HasRoomForLine()) return;
    monitored_ += line;
    monitored_ += "\r\n";
  });
}

void PushHub::SendToMonitors(Bytes lines) {
  if (monitoring_.empty()) return;
  const Slice message = context_.blocks.Copy(lines);
  for (const std::shared_ptr<PushClient>& client : monitoring_) client->view->Push(message);
}

void PushHub::MonitorLeft() {
  if (stopping_) return;
  context_.proxy.VisitWorkers(
      [](WorkerView& worker, std::string&) {
        worker.push()->CountMonitors(-1, worker.index() == 0);
      },
      [](const std::vector<std::string>&) {});
}

void PushHub::Monitor(Call& call) {
  if (call.view == nullptr) {
    const std::string reply = errors::Refused(call.command.full_name, "must be sent directly");
    return AnswerHere(call.exchange, reply);
  }
  tasks_.Add(RunMonitor(ClientOf(*call.view), call.command, call.exchange));
}

// Every worker looks out before the client is told that it monitors.
Task<void> PushHub::RunMonitor(std::shared_ptr<PushClient> who, const Command& command,
                               Exchange& exchange) {
  if (who->monitor == nullptr) {
    const auto counted = std::make_shared<Event>();
    context_.proxy.VisitWorkers(
        [](WorkerView& worker, std::string&) {
          worker.push()->CountMonitors(1, worker.index() == 0);
        },
        [counted](std::vector<std::string>) { counted->Set(); });
    co_await *counted;
    for (int tries = 0; tries < kWaitForShards && who->view != nullptr && !stopping_; ++tries) {
      const auto asked = std::make_shared<Event>();
      const auto ready = std::make_shared<bool>(true);
      context_.proxy.VisitWorkers(
          [](WorkerView& worker, std::string& out) {
            if (!worker.push()->WatchesScripts()) out = "not yet";
          },
          [asked, ready](const std::vector<std::string>& said) {
            for (const std::string& each : said) *ready = *ready && each.empty();
            asked->Set();
          });
      co_await *asked;
      if (*ready) break;
      const auto later = std::make_shared<Event>();
      context_.proxy.After(kLookAgain, [later] { later->Set(); });
      co_await *later;
    }
    if (who->view != nullptr) {
      who->monitor = &command;
      monitoring_.push_back(who);
    } else {
      MonitorLeft();
    }
  }
  AnswerHere(exchange, "+OK\r\n");
}

}  // namespace ringmaster
