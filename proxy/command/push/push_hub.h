// Messages out of turn for the clients of one worker and pool: pub/sub and MONITOR. A channel
// belongs to the shard that its name hashes to; patterns and the channels of keyspace notifications
// are subscribed on every shard. All clients of a worker share one connection to each shard, and a
// message goes to each of them once.
//
// Owner: the PoolWorker, on its thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command/call/call.h"
#include "command/call/push_client.h"
#include "command/push/push_counts.h"
#include "command/push/script_monitor.h"
#include "command/push/shard_feed.h"
#include "coro/task_set.h"

namespace ringmaster {

class PushHub {
 public:
  PushHub(CommandContext& context, std::shared_ptr<PushCounts> counts);
  ~PushHub();
  PushHub(const PushHub&) = delete;
  PushHub& operator=(const PushHub&) = delete;

  // Whether a client with messages may ask for this: in RESP2 a subscriber's replies could not be
  // told from messages.
  static bool Admits(const ClientState& client, const Command& command);

  // The commands of the rows. `names` of the arguments from the second on.
  void Subscribe(Call& call, PushKind kind);
  void Unsubscribe(Call& call, PushKind kind);
  void Publish(Call& call, PushKind kind);
  void Monitor(Call& call);
  void Track(Call& call);
  // Serves a command of a client that has a PushClient.
  static void Dispatch(Call& call);
  const PushCounts& counts() const { return *counts_; }
  // The shards that know a name's subscribers.
  bool OnEveryShard(PushKind kind, Bytes name) const;

  // RESET: nothing that it asked for comes any more.
  void Reset(ClientState& client);
  // The client's end.
  void Leave(ClientState& client);

  // MONITOR sees the command. REQUIRES: context.monitors is not 0.
  void ShowToMonitors(ClientView& client, const Command& command, std::span<const Bytes> args);
  // A client of this worker takes another's invalidations; and one of them, false: it is not here.
  void MakeTarget(ClientView& client);
  bool SendInvalid(uint64_t target, Bytes keys);
  // At the end of each turn: what monitors are to see goes to their workers.
  void EndTurn();
  // `watches`: this worker is the one that looks what scripts do.
  void CountMonitors(int change, bool watches);
  // Not that it does, or it knows all that it will.
  bool WatchesScripts() const { return scripts_ == nullptr || scripts_->ready(); }
  void SendToMonitors(Bytes lines);

  void Tick(TimePoint now);
  // The worker ends: other workers are not asked any more.
  void Stop() { stopping_ = true; }
  // After each Router::Use: subscriptions follow their names to other shards.
  void TopologyChanged();
  // Shard connections lost with subscriptions on them.
  uint64_t losses() const;

 private:
  using Wait = ShardFeed::Wait;
  struct Topic {
    NameMap<int>::size_type references = 0;  // of clients, and of commands under way
    bool counted = false;                    // as a connection
    std::vector<PushClient*> clients;
    std::vector<ShardFeed*> feeds;
  };
  // A feed that serves no topic any more, or a subscription that moved: ends at its time, because
  // publishers of other workers and proxies learn of a new topology a little later.
  struct Ending {
    TimePoint at;
    ShardFeed* feed;
    PushKind kind;
    std::string name;
  };
  using NumberMap = std::unordered_map<uint64_t, std::shared_ptr<PushClient>>;

  static std::shared_ptr<PushClient> ClientOf(ClientView& client);
  void Settle(ClientState& client);
  Task<void> RunSubscribe(std::shared_ptr<PushClient> who, PushKind kind,
                          std::vector<std::string> names, Exchange& exchange, int resp);
  Task<void> RunUnsubscribe(std::shared_ptr<PushClient> who, PushKind kind,
                            std::vector<std::string> names, Exchange& exchange, int resp);
  Task<void> RunMonitor(std::shared_ptr<PushClient> who, const Command& command,
                        Exchange& exchange);
  void MonitorLeft();
  bool HasRoomForLine();
  Task<void> RunTrack(std::shared_ptr<PushClient> who, TrackingOptions options, Exchange& exchange,
                      int database, int resp);
  void Invalidate(PushClient& client, Bytes keys);
  void RedirectBroken(PushClient& client);
  Topic& Hold(PushKind kind, Bytes name, const Wait& wait);
  void Release(PushKind kind, Bytes name, const Wait& wait);
  void CountName(PushClient& client, Bytes name, bool added);
  bool Register(PushClient& client, PushKind kind, const std::string& name);
  bool Deregister(PushClient& client, PushKind kind, Bytes name, const Wait& wait);
  void Send();
  void OnMessage(const Slice& message);
  void Deliver(PushKind kind, Bytes name, const Slice& message);
  std::vector<ShardFeed*> FeedsOf(PushKind kind, Bytes name);
  void MakeFeeds();

  CommandContext& context_;
  const std::shared_ptr<PushCounts> counts_;
  std::vector<std::unique_ptr<ShardFeed>> feeds_;    // by shard
  std::vector<std::unique_ptr<ShardFeed>> leaving_;  // of shards that left
  std::vector<Ending> endings_;
  TimePoint leaving_until_{};
  NameMap<Topic> topics_[kPushKinds];
  std::vector<std::shared_ptr<PushClient>> monitoring_;
  std::vector<std::shared_ptr<PushClient>> tracking_;
  NumberMap targets_;                       // by client id
  std::string monitored_;                   // lines of this turn
  std::unique_ptr<ScriptMonitor> scripts_;  // while somebody monitors, on one worker
  size_t monitored_batches_ = 0;            // on their way to other workers
  uint64_t monitored_dropped_ = 0;
  uint64_t past_losses_ = 0;
  bool stopping_ = false;
  TaskSet tasks_;
};

}  // namespace ringmaster
