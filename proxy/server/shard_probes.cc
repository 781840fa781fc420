#include "server/shard_probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/parallel.h"
#include "control/discovery/replication_info.h"

namespace ringmaster {
namespace {

constexpr Duration kAnswer = std::chrono::seconds(1);  // for connecting, and for each answer
constexpr Duration kCalm = std::chrono::seconds(1);
constexpr Duration kExcited = std::chrono::milliseconds(100);
constexpr Duration kExcitement = std::chrono::seconds(10);
constexpr Duration kLook = std::chrono::milliseconds(20);
constexpr size_t kThreads = 16;

struct Said {
  ReplicationInfo info = {};
  ShardHealth health = {};
};

// min-replicas-to-write; 1 where it may not be asked, for it is not 0.
int64_t Demanded(ShardClient& client) {
  const ShardReply reply = client.Ask({"CONFIG", "GET", "min-replicas-to-write"});
  return reply.size() == 2 ? ParseInteger(reply.at(1).text()).value_or(1) : 1;
}

Said Ask(ShardClient& client) {
  Said said;
  said.health.at = std::chrono::system_clock::now().time_since_epoch();
  if (const Status ready = client.Ready(); !ready) {
    said.health.trouble = ready.error().text;
    return said;
  }
  const TimePoint began = MonotonicNow();
  const ShardReply alive = client.Ask({"PING"});
  said.health.round_trip = MonotonicNow() - began;
  const ShardReply info = client.Ask({"INFO", "replication"});
  if (info.lost() || info.is_error()) {
    said.health.trouble = info.lost() ? client.error() : std::string(info.text());
    return said;
  }
  said.info = ReadReplicationInfo(info.text());
  said.health.replicas = said.info.replicas;
  said.health.lag_bytes = said.info.lag_bytes;
  if (alive.is_error()) said.health.trouble = std::string(alive.text());
  if (!said.info.member.primary) said.health.trouble = "it is a replica";
  if (said.info.good_replicas < 0 || !said.health.trouble.empty()) return said;
  const int64_t demanded = Demanded(client);
  if (said.info.good_replicas < demanded) {
    said.health.trouble = fmt::format("NOREPLICAS: {} of {} replicas that it must have for writes",
                                      said.info.good_replicas, demanded);
  }
  return said;
}

}  // namespace

ShardHealth AskHealth(const ShardTarget& target, Duration patience) {
  ShardClient client(target, ShardClientName(), patience, patience);
  return Ask(client).health;
}

struct ShardProbes::Group {
  // What outlives a reload. The asking thread's.
  struct Known {
    RoleChoice choice = {};
    std::string told = {};  // the trouble that the log has
  };

  ProbedGroup what;
  std::shared_ptr<Known> known = std::make_shared<Known>();
  std::vector<std::unique_ptr<ShardClient>> clients = {};  // by member; or one, wherever it is
  std::vector<Said> said = {};                             // likewise, in this round
  uint64_t doubts = 0;
};

ShardProbes::ShardProbes(Chosen chosen) : chosen_(std::move(chosen)) {}

ShardProbes::~ShardProbes() {
  {
    const MutexLock lock(mutex_);
    stop_ = true;
    for (const auto& group : groups_) {
      for (const auto& client : group->clients) client->Cancel();
    }
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

ShardProbes::Groups ShardProbes::Take(const std::vector<ProbedGroup>& groups) {
  Groups taken;
  for (const ProbedGroup& group : groups) {
    auto made = std::make_shared<Group>(Group{group});
    for (const auto& known : groups_) {
      if (known->what.place == group.place) made->known = known->known;
    }
    ShardTarget target = group.target;
    target.any_role = true;
    target.place = group.members.empty() ? group.place : nullptr;
    const size_t count = std::max<size_t>(group.members.size(), 1);
    for (size_t i = 0; i < count; ++i) {
      if (!group.members.empty()) target.address = group.members[i];
      if (!group.members.empty() && target.tls_name_is_host) {
        target.tls_server_name = target.address.host;
      }
      made->clients.push_back(
          std::make_unique<ShardClient>(target, ShardClientName(), kAnswer, kAnswer));
    }
    made->said.resize(count);
    taken.push_back(std::move(made));
  }
  return taken;
}

void ShardProbes::Begin(const std::vector<ProbedGroup>& groups) {
  Groups taken;
  {
    const MutexLock lock(mutex_);
    taken = groups_ = Take(groups);
  }
  Round(taken);
}

void ShardProbes::Use(const std::vector<ProbedGroup>& groups) {
  {
    const MutexLock lock(mutex_);
    groups_ = Take(groups);
  }
  if (!thread_.joinable() && !groups.empty()) thread_ = std::thread([this] { Run(); });
  wake_.notify_all();
}

void ShardProbes::Run() {
  TimePoint next = MonotonicNow();
  TimePoint excited_until{};
  while (true) {
    Groups groups;
    {
      MutexLock lock(mutex_);
      if (!stop_) wake_.wait_for(lock.native(), kLook);
      if (stop_) return;
      groups = groups_;
    }
    const TimePoint now = MonotonicNow();
    if (Doubted(groups)) {
      excited_until = now + kExcitement;
      next = std::min(next, now);
    }
    if (now < next) continue;
    Round(groups);
    next = MonotonicNow() + (now < excited_until ? kExcited : kCalm);
  }
}

// A connection was lost to one of them, or it refused, since they were looked at.
bool ShardProbes::Doubted(const Groups& groups) {
  bool any = false;
  for (const auto& group : groups) {
    const uint64_t doubts = group->what.place->doubts();
    any = std::exchange(group->doubts, doubts) != doubts || any;
  }
  return any;
}

void ShardProbes::Round(const Groups& groups) {
  std::vector<std::pair<Group*, size_t>> all;
  for (const auto& group : groups) {
    for (size_t i = 0; i < group->clients.size(); ++i) all.emplace_back(group.get(), i);
  }
  ForEachInParallel(all.size(), kThreads, [&](size_t at) {
    const auto [group, i] = all[at];
    group->said[i] = Ask(*group->clients[i]);
  });
  for (const auto& group : groups) Judge(*group);
}

void ShardProbes::Judge(Group& group) {
  const ProbedGroup& what = group.what;
  const Address in_use = what.place->address();
  // One that is on its way to another address is neither here nor there.
  if (!what.place->open() || what.place->withheld()) return;
  if (what.members.empty()) return what.place->SetHealth(group.said[0].health);
  std::vector<RoleChoice::Member> members;
  for (size_t i = 0; i < what.members.size(); ++i) {
    RoleChoice::Member& member = members.emplace_back(group.said[i].info.member);
    member.address = what.members[i];
    if (!(member.address == in_use)) continue;
    what.place->SetHealth(group.said[i].health);
    if (!member.answers) what.place->Doubt();
  }
  const RoleChoice::Verdict verdict = group.known->choice.Decide(in_use, members);
  if (verdict.primary) chosen_(what, *verdict.primary, verdict.why);
  if (std::exchange(group.known->told, verdict.about) == verdict.about) return;
  if (verdict.about.empty()) {
    LogInfo("pool {}: the servers of shard {} agree again", what.pool, what.name);
  } else {
    LogWarning("pool {}: shard {} stays at {}: {}", what.pool, what.name, in_use.ToString(),
               verdict.trouble);
  }
}

}  // namespace ringmaster
