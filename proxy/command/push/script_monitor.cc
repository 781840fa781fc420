#include "command/push/script_monitor.h"

#include <cstdint>
#include <utility>

#include "backend/backend.h"
#include "base/log.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// Longer lines are not shown.
constexpr size_t kLongestLine = 1U << 20;

// "+1700000000.000000 [0 lua] "set" "key" "value"".
bool IsOfScript(Bytes line) {
  const size_t bracket = line.find(']');
  if (bracket == Bytes::npos || !line.substr(0, bracket).ends_with(" lua")) return false;
  return line.find("\"__rm:") == Bytes::npos;
}

}  // namespace

// MONITOR is one request whose replies do not end.
class ScriptMonitor::Feed final : private Sink {
 public:
  Feed(Backend& backend, const OnLine& on_line) : backend_(backend), on_line_(on_line) { Open(); }
  ~Feed() { Drop(); }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  bool ready() const { return heard_ || refused_ || backend_.link().failing(); }
  void Tick() {
    if (lost_) Drop();
    if (connection_ == nullptr && !refused_ && !backend_.link().failing()) Open();
  }

 private:
  void Open() {
    connection_ = backend_.Borrow(0, 2);
    if (connection_ == nullptr) return;
    lost_ = heard_ = false;
    line_.clear();
    exchange_.sink = this;
    exchange_.no_timeout = exchange_.bound = exchange_.endless = true;
    exchange_.in_parts = false;
    exchange_.replies_before = UINT32_MAX;
    const std::string request = MakeRequest({"MONITOR"});
    exchange_.request = Slice{request, {}};
    connection_->Send(exchange_);
  }

  void Drop() {
    if (connection_ == nullptr) return;
    Connection* connection = std::exchange(connection_, nullptr);
    if (!lost_) connection->Close("nobody monitors any more");
    backend_.Discard(connection);
  }

  void OnReplyPart(Exchange&, const Slice& part) override {
    const bool whole = part.bytes.ends_with("\r\n");
    if (line_.size() + part.bytes.size() <= kLongestLine) line_.append(part.bytes);
    if (!whole) return;
    const std::string line = std::exchange(line_, std::string());
    if (!line.ends_with("\r\n")) return;  // cut off
    if (line.starts_with('-')) {
      refused_ = true;
      LogWarning("shard {} does not show what scripts do to MONITOR: {}", backend_.link().name(),
                 line.substr(1, line.size() - 3));
    }
    if (std::exchange(heard_, true) && IsOfScript(line)) {
      on_line_(Bytes(line).substr(0, line.size() - 2));
    }
  }

  // The connection is gone; it is given back at the next tick, not from within its own call.
  void OnReply(Exchange&, const Slice&) override { lost_ = true; }

  Backend& backend_;
  const OnLine& on_line_;
  Connection* connection_ = nullptr;
  Exchange exchange_;
  std::string line_;  // as far as it came
  bool heard_ = false;
  bool refused_ = false;
  bool lost_ = false;
};

ScriptMonitor::ScriptMonitor(Router& router, OnLine on_line)
    : router_(router), on_line_(std::move(on_line)) {
  Open();
}

ScriptMonitor::~ScriptMonitor() = default;

void ScriptMonitor::Open() {
  for (uint32_t shard = 0; shard < router_.shard_count(); ++shard) {
    feeds_.push_back(std::make_unique<Feed>(router_.backend(shard), on_line_));
  }
}

bool ScriptMonitor::ready() const {
  for (const auto& feed : feeds_) {
    if (!feed->ready()) return false;
  }
  return true;
}

void ScriptMonitor::Tick() {
  for (const auto& feed : feeds_) feed->Tick();
}

void ScriptMonitor::TopologyChanged() {
  feeds_.clear();
  Open();
}

}  // namespace ringmaster
