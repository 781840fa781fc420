// Asks all Sentinels of a pool who its primaries are, and listens to them. An event, a lost
// connection to a shard or a refusal only makes it ask at once and often for a while; otherwise it
// asks every second, with jitter. What counts is what a majority answers (sentinel_votes.h).
//
// Owner: Discovery, on the thread of its loop. Names are resolved there, which may keep it waiting.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/shard_place.h"
#include "base/random.h"
#include "control/discovery/sentinel_votes.h"
#include "net/loop.h"
#include "net/timer.h"

struct redisAsyncContext;
struct redisReply;

namespace ringmaster {

// A shard whose primary Sentinels know by a name of theirs.
struct FollowedShard {
  std::string name;
  std::string master;
  std::shared_ptr<ShardPlace> place;
};

struct SentinelOptions {
  std::string pool;
  std::vector<Address> sentinels;
  std::string username;  // empty: their default user
  std::string password;  // empty: none
  std::vector<FollowedShard> shards;
};

class SentinelWatcher {
 public:
  using Accepted = std::function<void(const FollowedShard&, const SentinelVotes::Primary&)>;
  // What was accepted before, by master.
  using Known = std::map<std::string, SentinelVotes::Primary>;

  SentinelWatcher(Loop& loop, SentinelOptions options, const Known& known, Accepted accepted);
  ~SentinelWatcher();
  SentinelWatcher(const SentinelWatcher&) = delete;
  SentinelWatcher& operator=(const SentinelWatcher&) = delete;

 private:
  struct Voice;                      // one Sentinel, and the two connections to it
  struct Group;                      // one shard, and what is said of it
  static constexpr int kTilt = -1;   // what is asked: INFO sentinel
  static constexpr int kLogin = -2;  // AUTH

  void Tick();
  void Connect(Voice& voice);
  redisAsyncContext* Open(Voice& voice);
  void Drop(Voice& voice, const std::string& why);
  void Ask();
  void AskOne(Voice& voice);
  void Send(Voice& voice, int what, const std::vector<std::string>& words);
  void Hear(Voice& voice, int what, TimePoint asked, const redisReply* reply);
  void Decide();
  void TellTrouble(Group& group, TimePoint now);
  void HearEvent(std::string_view event, std::string_view text);
  void EndWithholding(Group& group, const std::string& why);
  void Excite();

  Loop& loop_;
  const SentinelOptions options_;
  const Accepted accepted_;
  std::vector<std::unique_ptr<Voice>> voices_;
  std::vector<std::unique_ptr<Group>> groups_;
  Random random_;
  TimePoint next_question_{};
  TimePoint asked_at_{};
  TimePoint excited_until_{};
  Timer timer_;
};

}  // namespace ringmaster
