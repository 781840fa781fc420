// One worker's way to one shard: a shared connection for each database and protocol version in use,
// and connections lent to one asker at a time (large transfers, stateful modes).
//
// Owner: the worker's Router. A connection on which a large reply began leaves the shared place, so
// that others do not wait behind it, and serves as a lent one when it is done. So does one on which
// a script runs for long: the shard answers others, were it with -BUSY, and hears SCRIPT KILL.
#pragma once

#include <memory>
#include <vector>

#include "backend/connection.h"
#include "backend/lane.h"
#include "net/timer.h"

namespace ringmaster {

class Backend final : public Connection::Owner {
 public:
  Backend(BackendContext& context, std::shared_ptr<ShardLink> link, ShardMetrics& metrics,
          int databases);
  ~Backend();

  // The connection for ordinary requests; made on first use, connected when first sent to.
  Connection& Shared(int database, int resp) {
    if (context_.lane != nullptr) [[unlikely]]
      return context_.lane->For(*this, database, resp);
    return Common(database, resp);
  }
  // The shared one whoever is served.
  Connection& Common(int database, int resp) {
    Connection* connection = shared_[Index(database, resp)].get();
    return connection != nullptr ? *connection : MakeShared(database, resp);
  }

  enum class Purpose : uint8_t { kWork, kWaiting };
  // Lends a connection of its own, or nullptr when max_connections are in use; of those that only
  // wait there may be max_waiting more.
  Connection* Borrow(int database, int resp, Purpose purpose = Purpose::kWork);
  // Lends, for waiting, one over which a request leaves in its turn, as over the shared connection:
  // a spare that is up, or the shared one itself, with what is under way on it; others get a new
  // one. nullptr: no such, as while many begin to wait at once.
  Connection* BorrowInTurn(int database, int resp);
  // Gives it back. REQUIRES: it is idle and in no stateful mode.
  void Return(Connection* connection);
  // Gives it back to be closed, whatever state it is in.
  void Discard(Connection* connection);

  // A script is about to be sent over a shared connection: it is looked after until it is done, and
  // another connection is kept ready, because a shard with a late script takes no new ones that
  // have a database to choose.
  void ExpectScript(int database, int resp) {
    if (script_timer_.active()) return;
    script_timer_.StartOnce(kLookAfterScripts);
    KeepSpare(database, resp, 1);
  }
  // Connections that wait for a script of at least `age` leave the shared place.
  void LeaveScripts(TimePoint now, Duration age);

  // Asks the server whether it is a primary still, if its answer is not to be had otherwise; the
  // link hears it.
  void AskRole();

  ShardLink& link() { return *link_; }
  ShardMetrics& metrics() { return metrics_; }
  size_t connections() const;
  template <typename Visit>
  void EachConnection(Visit&& visit) const {
    for (const auto* group : {&shared_, &leaving_, &lent_}) {
      for (const auto& connection : *group) {
        if (connection != nullptr) visit(*connection);
      }
    }
  }
  // Requests without a reply, on all connections.
  size_t queued() const;
  // Nothing waits for any reply and no connection is lent.
  bool idle() const;
  // Whatever was sent until then is answered, on all connections; maybe but for those that wait for
  // data (Exchange::no_timeout).
  enum class Waits : uint8_t { kCounted, kIgnored };
  bool AnsweredUpTo(TimePoint time, Waits waits = Waits::kCounted) const;

  // Something that is under way got on since then: bytes of it came or went.
  bool ProgressedSince(TimePoint time) const;

  void Tick(TimePoint now);
  void Close(const std::string& why);

 private:
  static constexpr Duration kLookAfterScripts = std::chrono::milliseconds(20);
  static constexpr Duration kLookAfterCrowd = std::chrono::milliseconds(2);

  size_t Index(int database, int resp) const {
    return static_cast<size_t>(database) * 2 + (resp == 3 ? 1 : 0);
  }
  void KeepSpare(int database, int resp, int wanted);
  Connection* LendSpare(int database, int resp, bool ready);
  Connection* LendShared(int database, int resp);
  Connection& MakeShared(int database, int resp);
  void ScriptOver(const Connection* connection);
  void LookAfterScripts();
  void OnLargeReply(Connection& connection) override { (void)Seclude(connection); }
  bool Seclude(Connection& connection) override;
  void OnDrained(Connection& connection) override;
  void OnCrowded() override {
    if (!crowd_timer_.active()) crowd_timer_.StartOnce(kLookAfterCrowd);
  }
  void LookAfterCrowd();

  BackendContext& context_;
  std::shared_ptr<ShardLink> link_;
  ShardMetrics& metrics_;
  std::vector<std::unique_ptr<Connection>> shared_;
  std::vector<std::unique_ptr<Connection>> leaving_;
  const Connection* in_script_ = nullptr;  // of those that leave: it waits for a script
  std::vector<std::unique_ptr<Connection>> lent_;
  std::vector<std::unique_ptr<Connection>> spare_;
  std::vector<std::unique_ptr<Connection>>
      discarded_;  // freed in the loop's next turn, or by Tick, never in a callback
  Timer script_timer_;
  Timer crowd_timer_;
  Timer discard_timer_;
};

}  // namespace ringmaster
