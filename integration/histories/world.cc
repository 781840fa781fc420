#include "histories/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "support/client.h"
#include "support/proxy_process.h"

namespace ringmaster::histories {
namespace {

using std::chrono::milliseconds;

constexpr Duration kLookEvery = milliseconds(60);
// A change of the ring is not waited for longer: the next one comes in the middle of it.
constexpr Duration kImpatience = std::chrono::seconds(4);
constexpr Duration kHealed = std::chrono::seconds(30);

RedisServer::Options Durable() {
  RedisServer::Options options;
  options.config = {"appendonly yes", "appendfsync no"};
  return options;
}

}  // namespace

const char* FaultName(Fault fault) {
  static constexpr const char* kNames[kFaults] = {
      "none",           "kill proxy",       "kill donor",     "kill recipient",
      "stop proxy",     "stop donor",       "stop recipient", "kill connections",
      "recipient full", "storm of reloads", "cut links",      "hold links"};
  return kNames[static_cast<size_t>(fault)];
}

World::World(uint64_t seed, Fault fault)
    : random_(seed), fault_(fault), address_{Address::kTcp, "127.0.0.1", port_.number(), ""} {
  const bool links = fault == Fault::kCutLinks || fault == Fault::kHoldLinks;
  for (int i = 0; i < kShards; ++i) {
    Shard shard;
    shard.name = "s" + std::to_string(i);
    shard.server = std::make_unique<RedisServer>(Durable());
    if (links) shard.link = std::make_unique<FaultProxy>(shard.server->address());
    shard.weight = i < kFirst ? 1 : 0;
    shards_.push_back(std::move(shard));
  }
  StartProxy();
}

World::~World() {
  process_.Signal(SIGCONT);
  process_.Kill();
}

Duration World::Between(int from_ms, int to_ms) {
  return milliseconds(from_ms +
                      static_cast<int>(random_.Below(static_cast<uint64_t>(to_ms - from_ms))));
}

std::string World::Yaml() const {
  std::string yaml = fmt::format("pools:\n  - name: main\n    listen: [\"{}\"]\n    shards:\n",
                                 address_.ToString());
  for (const Shard& shard : shards_) {
    if (shard.weight == 0) continue;
    const Address& address = shard.link ? shard.link->address() : shard.server->address();
    yaml += fmt::format("      - {{name: {}, address: \"{}\", weight: {}}}\n", shard.name,
                        address.ToString(), shard.weight);
  }
  return yaml + fmt::format(
                    "workers: 2\ntimeouts: {{command: 2s, connect: 500ms}}\n"
                    "schedule: {{background_share: 0.3}}\nlog: {{level: info}}\n"
                    "saga: {{journal: \"{}\", isolated_reads: true}}\nadmin: {{listen: "
                    "\"127.0.0.1:{}\"}}\n",
                    folder_.File("state.db"), admin_.number());
}

void World::StartProxy() {
  const std::string file = folder_.Write("ringmaster.yml", Yaml());
  process_ = ChildProcess({ProxyProgram(), "--config", file},
                          folder_.File(fmt::format("proxy{}.log", ++starts_)));
}

bool World::serving() {
  return Eventually([&] { return Client(address_).Command({"PING"}) == "PONG"; });
}

void World::Reload() {
  folder_.Write("ringmaster.yml", Yaml());
  process_.Signal(SIGHUP);
}

std::string World::Status() const {
  Client client(address_);
  client.set_patience(milliseconds(500));
  return client.CommandRaw({"PROXY", "REBALANCE", "STATUS"});
}

std::string World::Log() const {
  std::string log;
  for (int i = 1; i <= starts_; ++i) {
    log += ReadFile(folder_.File(fmt::format("proxy{}.log", i)));
  }
  return log;
}

std::string World::Field(const std::string& status, const std::string& name) const {
  const size_t at = status.find("\n" + name + ": ");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 3;
  return status.substr(begin, status.find_first_of("\r\n", begin) - begin);
}

// Adds, changes a weight, turns around, removes, in turn.
void World::ChangeRing() {
  ring_changed_ = MonotonicNow();
  switch (step_++ % 6) {
    case 0:
    case 3:
      changed_ = step_ % 6 == 1 ? 3 : 4;
      shards_[changed_].weight = 1;
      grows_ = true;
      break;
    case 1:
      changed_ = random_.Below(kFirst);
      shards_[changed_].weight = shards_[changed_].weight == 1 ? 3 : 1;
      grows_ = shards_[changed_].weight == 3;
      break;
    case 2:
    case 5:
      changed_ = step_ % 6 == 3 ? 3 : 4;
      shards_[changed_].weight = 0;
      grows_ = false;
      break;
    default:
      changed_ = 3;
      shards_[changed_].weight = 2;
      grows_ = true;
      reverse_at_ = ring_changed_ + Between(20, 500);
      Reload();
      // The keys are to go back where they came from.
      shards_[changed_].weight = 0;
      return;
  }
  Reload();
}

void World::LookAtRing() {
  const TimePoint now = MonotonicNow();
  if (reverse_at_ != TimePoint() && now >= reverse_at_) {
    reverse_at_ = TimePoint();
    Client client(address_);
    client.set_patience(milliseconds(500));
    client.Command({"PROXY", "REBALANCE", "REVERSE"});
    return;
  }
  if (reverse_at_ != TimePoint() || now < next_look_) return;
  next_look_ = now + kLookEvery;
  if (now - ring_changed_ < milliseconds(300)) return;
  const std::string status = Status();
  const std::string epoch = Field(status, "epoch");
  if (!epoch.empty())
    epoch_ = std::max<uint64_t>(epoch_, std::strtoull(epoch.c_str(), nullptr, 10));
  const bool stable = status.find("state: stable") != std::string::npos;
  if (stable || now - ring_changed_ > kImpatience) ChangeRing();
}

World::Shard& World::Victim(bool recipient) {
  if (recipient == grows_) return shards_[changed_];
  size_t other = random_.Below(kFirst);
  if (other == changed_) other = (other + 1) % kFirst;
  return shards_[other];
}

void World::BeginFault() {
  const TimePoint now = MonotonicNow();
  ++faults_;
  victim_ = nullptr;
  switch (fault_) {
    case Fault::kNone:
      --faults_;
      fault_until_ = now + std::chrono::hours(1);
      return;
    case Fault::kKillProxy:
      process_.Kill();
      fault_until_ = now + Between(0, 200);
      return;
    case Fault::kKillDonor:
    case Fault::kKillRecipient:
      victim_ = &Victim(fault_ == Fault::kKillRecipient);
      victim_->server->Kill();
      fault_until_ = now + Between(0, 500);
      return;
    case Fault::kStopProxy:
      process_.Signal(SIGSTOP);
      fault_until_ = now + Between(50, 900);
      return;
    case Fault::kStopDonor:
    case Fault::kStopRecipient:
      victim_ = &Victim(fault_ == Fault::kStopRecipient);
      victim_->server->Pause();
      fault_until_ = now + Between(50, 2600);
      return;
    case Fault::kKillConnections:
      for (Shard& shard : shards_) {
        if (random_.Below(2) == 0) shard.server->Command({"CLIENT", "KILL", "TYPE", "normal"});
      }
      fault_until_ = now;
      return;
    case Fault::kRecipientFull:
      victim_ = &Victim(true);
      victim_->server->Command({"CONFIG", "SET", "maxmemory", "1"});
      fault_until_ = now + Between(100, 1500);
      return;
    case Fault::kReloadStorm:
      for (int i = 0; i < 5; ++i) {
        if (random_.Below(2) == 0) {
          folder_.Write("ringmaster.yml",
                        random_.Below(2) == 0 ? "pools: [[[" : "pools:\n  - {}\n");
          process_.Signal(SIGHUP);
        } else {
          Reload();
        }
        std::this_thread::sleep_for(Between(1, 30));
      }
      Reload();
      fault_until_ = now;
      return;
    case Fault::kCutLinks:
      victim_ = &Victim(random_.Below(2) == 0);
      switch (random_.Below(3)) {
        case 0:
          victim_->link->Cut();
          break;
        case 1:
          victim_->link->CutReplyAfter(static_cast<int64_t>(random_.Below(20000)));
          break;
        default:
          victim_->link->CutRequestAfter(static_cast<int64_t>(random_.Below(20000)));
      }
      fault_until_ = now + Between(0, 100);
      return;
    case Fault::kHoldLinks:
      victim_ = &Victim(random_.Below(2) == 0);
      switch (random_.Below(3)) {
        case 0:
          victim_->link->Hold(true);
          break;
        case 1:
          victim_->link->HoldRequests(true);
          break;
        default:
          victim_->link->HoldReplies(true);
      }
      fault_until_ = now + Between(50, 2600);
      return;
  }
}

void World::EndFault() {
  fault_until_ = TimePoint();
  switch (fault_) {
    case Fault::kKillProxy:
      StartProxy();
      break;
    case Fault::kKillDonor:
    case Fault::kKillRecipient:
      ++*restarts_;
      victim_->server->Restart(RedisServer::Data::kKept);
      break;
    case Fault::kStopProxy:
      process_.Signal(SIGCONT);
      break;
    case Fault::kStopDonor:
    case Fault::kStopRecipient:
      victim_->server->Resume();
      break;
    case Fault::kRecipientFull:
      victim_->server->Command({"CONFIG", "SET", "maxmemory", "0"});
      break;
    case Fault::kCutLinks:
    case Fault::kHoldLinks:
      victim_->link->Heal();
      break;
    default:
      break;
  }
}

void World::StepFault() {
  const TimePoint now = MonotonicNow();
  if (fault_until_ != TimePoint()) {
    if (now < fault_until_) return;
    EndFault();
    next_fault_ = now + (fault_ == Fault::kCutLinks || fault_ == Fault::kKillConnections
                             ? Between(50, 600)
                             : Between(300, 2500));
    return;
  }
  if (now >= next_fault_) BeginFault();
}

void World::Run(Duration how_long, std::atomic<uint64_t>& restarts) {
  restarts_ = &restarts;
  const TimePoint end = MonotonicNow() + how_long;
  ring_changed_ = MonotonicNow();
  next_fault_ = MonotonicNow() + Between(100, 1500);
  while (MonotonicNow() < end) {
    StepFault();
    const bool deaf =
        fault_until_ != TimePoint() && (fault_ == Fault::kKillProxy || fault_ == Fault::kStopProxy);
    if (!deaf) LookAtRing();
    std::this_thread::sleep_for(milliseconds(3));
  }
}

std::string World::Heal() {
  if (fault_until_ != TimePoint()) EndFault();
  reverse_at_ = TimePoint();
  if (!process_.running()) return "the proxy has ended";
  if (!serving()) return "the proxy does not serve";
  Reload();
  const bool settled = Eventually(
      [&] {
        const std::string status = Status();
        std::this_thread::sleep_for(milliseconds(20));
        return status.find("state: stable") != std::string::npos &&
               status.find("\nwaiting: ") == std::string::npos;
      },
      kHealed);
  const std::string status = Status();
  const std::string epoch = Field(status, "epoch");
  epoch_ = std::max<uint64_t>(epoch_, std::strtoull(epoch.c_str(), nullptr, 10));
  return settled ? "" : "not settled 30 s after the last fault: " + status;
}

}  // namespace ringmaster::histories
