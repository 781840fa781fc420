// MONITOR: what the clients of the pool send, whichever worker they are on.
#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "command/push_hub.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

// Lines of one turn, and turns on their way to other workers: what is beyond is dropped.
constexpr size_t kMostLines = 4U << 20;
constexpr size_t kMostBatches = 64;

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

}  // namespace

void PushHub::ShowToMonitors(ClientView& client, const Command& command,
                             std::span<const Bytes> args) {
  if (command.Is(kSkipMonitor) || command.Is(kAdmin)) return;
  if (monitored_.size() > kMostLines || monitored_batches_ > kMostBatches) {
    ++monitored_dropped_;
    return;
  }
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

void PushHub::CountMonitors(int change) {
  context_.monitors = static_cast<uint32_t>(static_cast<int>(context_.monitors) + change);
}

void PushHub::SendToMonitors(Bytes lines) {
  if (monitoring_.empty()) return;
  const Slice message = context_.blocks.Copy(lines);
  for (const std::shared_ptr<PushClient>& client : monitoring_) client->view->Push(message);
}

void PushHub::MonitorLeft() {
  if (stopping_) return;
  context_.proxy.VisitWorkers(
      [](WorkerView& worker, std::string&) { worker.push()->CountMonitors(-1); },
      [](const std::vector<std::string>&) {});
}

void PushHub::Monitor(Call& call) {
  if (call.view == nullptr) {
    const std::string reply = errors::Refused(call.command.full_name, "must be sent directly");
    call.exchange.state = Exchange::State::kDone;
    return call.exchange.sink->OnReply(call.exchange, Slice{reply, {}});
  }
  tasks_.Add(RunMonitor(ClientOf(*call.view), call.exchange));
}

// Every worker looks out before the client is told that it monitors.
Task<void> PushHub::RunMonitor(std::shared_ptr<PushClient> who, Exchange& exchange) {
  if (!who->monitor) {
    const auto counted = std::make_shared<Event>();
    context_.proxy.VisitWorkers(
        [](WorkerView& worker, std::string&) { worker.push()->CountMonitors(1); },
        [counted](std::vector<std::string>) { counted->Set(); });
    co_await *counted;
    if (who->view != nullptr) {
      who->monitor = true;
      monitoring_.push_back(who);
    } else {
      MonitorLeft();
    }
  }
  exchange.state = Exchange::State::kDone;
  exchange.sink->OnReply(exchange, Slice{"+OK\r\n", {}});
}

}  // namespace ringmaster
