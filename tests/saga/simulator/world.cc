#include "saga/simulator/world.h"

#include <algorithm>

#include "saga/attempts.h"
#include "saga/simulator/proxy_model.h"

namespace ringmaster::sim {
namespace {

constexpr Duration kFaults = std::chrono::milliseconds(1500);
constexpr Duration kHealing = std::chrono::seconds(90);
constexpr size_t kKeysPerShard = 3;

enum class Verdict { kUnknown, kApplied, kGone, kExcused };

class World {
 public:
  World(uint64_t seed, const Options& options) : stage_(seed) {
    stage_.options = options;
    const size_t shards = 2 + Pick(3);
    for (size_t i = 0; i < shards; ++i) {
      stage_.shards.push_back(
          std::make_unique<ModelShard>("s" + std::to_string(i), stage_.options.bugs));
    }
    stage_.links.resize(shards);
    stage_.outside_writes = options.fences && stage_.clock.Chance(30);
    lossy_ = stage_.clock.Chance(30);
    for (const auto& shard : stage_.shards) shard->forgetful = lossy_;
    stage_.on_step = [this](size_t shard) { StepTookEffect(shard); };
  }

  Outcome Run() {
    StartProxy();
    for (int i = 0; i < 3; ++i) SagaClient(i);
    if (stage_.options.fences) {
      for (size_t i = 0; i < 2; ++i) PlainClient(i);
    }
    if (stage_.outside_writes) Outsider();
    Nemesis();
    while (stage_.violation.empty() && stage_.clock.Step(kFaults)) {
    }
    Heal();
    const Duration end = kFaults + kHealing;
    // Settled, and then long enough for everything that is still under way to arrive.
    bool quiet = false;
    Duration since{};
    while (stage_.violation.empty() && stage_.clock.Step(end)) {
      const bool idle = proxy_ && proxy_->idle() && waiting_ == 0;
      if (!idle || !quiet) since = stage_.clock.now();
      quiet = idle;
      if (quiet && stage_.clock.now() > since + std::chrono::seconds(4)) break;
    }
    if (!quiet) Check(proxy_ && proxy_->idle(), "not settled in the end: " + proxy_->Describe());
    Judge();
    stage_.figures.events = stage_.clock.steps;
    return {stage_.violation, stage_.figures};
  }

 private:
  uint64_t Pick(uint64_t bound) { return stage_.clock.random.Below(bound); }
  void Check(bool fine, const std::string& what) {
    if (!fine) stage_.Blame(what);
  }
  void After(Duration delay, std::function<void()> what) {
    stage_.clock.After(delay, std::move(what));
  }
  std::string SomeKey() {
    return "k" + std::to_string(Pick(stage_.shards.size())) + std::to_string(Pick(kKeysPerShard));
  }

  void StartProxy() {
    proxy_ = std::make_shared<ProxyModel>(stage_, ++incarnation_);
    running_ = true;
    proxy_->Start();
  }
  void KillProxy() {
    ++stage_.figures.proxy_kills;
    stage_.Tell([] { return "kill -9 of the proxy"; });
    proxy_->Kill();
    running_ = false;
    // Nobody who waited for an answer gets one.
    waiting_ = 0;
    ++generation_;
    StartClientsLater();
    After(stage_.clock.Around(0, 60), [this] { StartProxy(); });
  }
  void StartClientsLater() {
    for (int i = 0; i < 3; ++i) {
      After(stage_.clock.Around(10, 100), [this, i, g = generation_] {
        if (g == generation_) SagaClient(i);
      });
    }
    for (size_t i = 0; stage_.options.fences && i < 2; ++i) {
      After(stage_.clock.Around(10, 100), [this, i, g = generation_] {
        if (g == generation_) PlainClient(i);
      });
    }
  }

  // --- clients

  void AddKey(SagaOrder& order, StepKind kind, uint8_t phase, const std::string& key,
              ImageKind image, Value value) {
    AddKey(order, StepAt(order, kind, phase, key), key, image, std::move(value));
  }
  void AddKey(SagaOrder& order, size_t step, const std::string& key, ImageKind image, Value value) {
    order.plan.steps[step].keys.push_back({key, image});
    order.values[step].push_back(std::move(value));
  }

  // Of that phase, where the key lives.
  size_t StepAt(SagaOrder& order, StepKind kind, uint8_t phase, const std::string& key) {
    const size_t shard = stage_.ShardOf(key);
    const std::string name = "s" + std::to_string(shard);
    size_t at = 0;
    while (at < order.plan.steps.size() &&
           (order.plan.steps[at].shard != name || order.plan.steps[at].phase != phase)) {
      ++at;
    }
    if (at == order.plan.steps.size()) {
      SagaStep step;
      step.kind = kind;
      step.phase = phase;
      step.shard = name;
      step.run_id = proxy_->run_id(shard);
      order.plan.steps.push_back(step);
      order.values.emplace_back();
    }
    return at;
  }

  // The same once more, under the locks of the one that somebody interfered with.
  SagaOrder Again(const SagaOrder& order, const SagaResult& result) {
    SagaOrder again = order;
    again.plan.id = proxy_->NextId();
    const std::string mark = "s" + SagaName(again.plan.id) + ":";
    for (size_t i = 0; i < again.plan.steps.size(); ++i) {
      SagaStep& step = again.plan.steps[i];
      step.run_id = proxy_->run_id(stage_.ShardNamed(step.shard));
      for (size_t k = 0; k < step.keys.size(); ++k) {
        if (again.values[i][k]) again.values[i][k] = mark + step.keys[k].key;
      }
    }
    again.ticket = result.ticket;
    again.old = proxy_->FetchedBy(order.plan.id);
    return again;
  }

  SagaOrder SomeOrder() {
    SagaOrder order;
    order.plan.id = proxy_->NextId();
    const std::string mark = "s" + SagaName(order.plan.id) + ":";
    std::set<std::string> keys;
    for (size_t wanted = 2 + Pick(3); keys.size() < wanted;) keys.insert(SomeKey());
    std::vector<std::string> list(keys.begin(), keys.end());
    for (size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[Pick(i)]);
    switch (Pick(5)) {
      case 0:  // RENAME: the deletion comes last
        AddKey(order, StepKind::kScript, 0, list[0], ImageKind::kOverwrite, mark + list[0]);
        AddKey(order, StepKind::kScript, 1, list[1], ImageKind::kOverwrite, {});
        break;
      case 1:  // MSETNX
        for (const std::string& key : list) {
          AddKey(order, StepKind::kScript, 0, key, ImageKind::kCreate, mark + key);
        }
        break;
      case 2: {  // gather, execute, scatter
        const ImageKind image = Pick(2) == 0 ? ImageKind::kInPlace : ImageKind::kOverwrite;
        AddKey(order, StepKind::kExecute, 0, list[0], image, mark + list[0]);
        for (size_t i = 1; i < list.size(); ++i) {
          if (stage_.ShardOf(list[i]) == stage_.ShardOf(list[0])) continue;
          order.plan.steps[0].copies.push_back(list[i]);
          const bool writes = Pick(3) > 0;
          const size_t step = StepAt(order, StepKind::kExecute, 1, list[i]);
          if (writes) AddKey(order, step, list[i], ImageKind::kOverwrite, mark + list[i]);
        }
        break;
      }
      default:  // MSET
        for (const std::string& key : list) {
          AddKey(order, StepKind::kScript, 0, key, ImageKind::kOverwrite, mark + key);
        }
    }
    return order;
  }

  void SagaClient(int number) {
    if (stage_.clock.now() > kFaults) return;
    const auto next = [this, number, g = generation_] {
      After(stage_.clock.Around(1, 80), [this, number, g] {
        if (g == generation_) SagaClient(number);
      });
    };
    if (!proxy_->serving()) return next();
    RunOrder(SomeOrder(), Attempts(TimePoint(stage_.clock.now())), next);
  }

  void RunOrder(SagaOrder order, Attempts attempts, std::function<void()> next) {
    const SagaId id = order.plan.id;
    verdicts_[id] = Verdict::kUnknown;
    for (const SagaStep& step : order.plan.steps) {
      for (const StepKey& key : step.keys) keys_[id].push_back(key.key);
    }
    ++stage_.figures.sagas;
    ++waiting_;
    SagaOrder same = order;
    proxy_->Run(std::move(order), [this, id, next, attempts, same](const SagaResult& result) {
      --waiting_;
      if (result.interfered) ++stage_.figures.interfered;
      switch (result.kind) {
        case SagaResult::Kind::kCommitted:
          ++stage_.figures.committed;
          if (attempts.made() > 1) ++stage_.figures.done_again;
          if (const auto stale = stage_.stale.find(id); stale != stage_.stale.end()) {
            stage_.Blame(SagaName(id) + " was executed beside an old copy of " + stale->second);
          }
          verdicts_[id] = Verdict::kApplied;
          break;
        case SagaResult::Kind::kRefused:
        case SagaResult::Kind::kNotApplied:
          ++(result.kind == SagaResult::Kind::kRefused ? stage_.figures.refused
                                                       : stage_.figures.undone);
          verdicts_[id] = Verdict::kGone;
          break;
        default:
          Check(stage_.poisoned.contains(id), SagaName(id) + " is uncertain and not poisoned");
          verdicts_[id] = Verdict::kExcused;
      }
      if (result.interfered) {
        Attempts more = attempts;
        if (more.Again(TimePoint(stage_.clock.now()))) {
          ++stage_.figures.tried_again;
          return RunOrder(Again(same, result), more, next);
        }
        proxy_->GiveBack(result.ticket);
      }
      next();
    });
  }

  void PlainClient(size_t worker) {
    if (stage_.clock.now() > kFaults) return;
    const auto next = [this, worker, g = generation_] {
      After(stage_.clock.Around(0, 30), [this, worker, g] {
        if (g == generation_) PlainClient(worker);
      });
    };
    if (!proxy_->serving()) return next();
    Value value;
    if (Pick(3) == 0) value = "p" + std::to_string(++plain_);
    ++waiting_;
    proxy_->Plain(worker, SomeKey(), value, [this, next](ProxyModel::Said said, Value got) {
      --waiting_;
      if (said == ProxyModel::Said::kOk && got && (*got)[0] == 's') {
        seen_.insert(std::stoull(got->substr(1, 16), nullptr, 16));
      }
      next();
    });
  }

  void Outsider() {
    if (stage_.clock.now() > kFaults) return;
    const std::string key = SomeKey();
    ModelShard& shard = *stage_.shards[stage_.ShardOf(key)];
    if (shard.alive && !shard.paused) {
      stage_.Tell([&] { return "outside SET " + key; });
      shard.Set(key, "d" + std::to_string(++plain_));
    }
    After(stage_.clock.Around(1, 40), [this] { Outsider(); });
  }

  // --- faults

  void Nemesis() {
    if (stage_.clock.now() > kFaults) return;
    After(stage_.clock.Around(20, 500), [this] { Nemesis(); });
    const size_t shard = Pick(stage_.shards.size());
    ModelShard& server = *stage_.shards[shard];
    Link& link = stage_.links[shard];
    const Duration long_time = stage_.clock.Around(20, Pick(3) == 0 ? 1500 : 300);
    const uint64_t fault = Pick(10);
    stage_.Tell([&] { return "fault " + std::to_string(fault) + " at s" + std::to_string(shard); });
    switch (fault) {
      case 0:
      case 1:
        // Also in the middle of its recovery.
        if (running_ && (proxy_->serving() || Pick(3) == 0)) KillProxy();
        break;
      case 2:
        if (server.alive) KillShard(shard, long_time);
        break;
      case 3:
        server.paused = true;
        After(long_time, [&server] { server.paused = false; });
        break;
      case 4:
        link.holds_requests = true;
        After(long_time, [&link] { link.holds_requests = false; });
        break;
      case 5:
        link.holds_replies = true;
        After(long_time, [&link] { link.holds_replies = false; });
        break;
      case 6:
        link.refuses = true;
        After(long_time, [&link] { link.refuses = false; });
        break;
      case 7:
        stage_.journal.failing = true;
        After(long_time, [this] { stage_.journal.failing = false; });
        break;
      default:
        ++stage_.figures.cuts;
        for (const auto& each : std::vector(stage_.connections)) {
          const auto connection = each.lock();
          if (connection && &connection->shard() == &server && Pick(2) == 0) {
            connection->CloseAtProxy();
          }
        }
    }
  }

  // A server that forgets a step is the one that COMMIT must look out for: while another shard of
  // the saga keeps it waiting.
  void StepTookEffect(size_t shard) {
    if (!lossy_ || stage_.clock.now() > kFaults || !stage_.clock.Chance(3)) return;
    for (size_t other = 0; other < stage_.shards.size(); ++other) {
      if (other == shard) continue;
      Link& link = stage_.links[other];
      link.holds_replies = true;
      After(stage_.clock.Around(20, 80), [&link] { link.holds_replies = false; });
    }
    After(stage_.clock.Around(4, 12), [this, shard] {
      if (stage_.shards[shard]->alive) KillShard(shard, stage_.clock.Around(1, 30));
    });
  }

  void KillShard(size_t shard, Duration down) {
    ++stage_.figures.shard_kills;
    stage_.Tell([&] { return "kill -9 of s" + std::to_string(shard); });
    ModelShard& server = *stage_.shards[shard];
    server.alive = false;
    for (const auto& each : stage_.connections) {
      const auto connection = each.lock();
      if (connection && &connection->shard() == &server) connection->CloseAtShard();
    }
    proxy_->LoseShard(shard);
    // What it forgets is fixed when it dies: no step of a saga that is decided by then.
    const bool forgets = lossy_;
    server.Restart([&](SagaId saga) { return !forgets || stage_.journal.decided(saga); });
    After(down, [&server] { server.alive = true; });
  }

  void Heal() {
    for (const auto& shard : stage_.shards) shard->alive = true, shard->paused = false;
    for (Link& link : stage_.links) link = {};
    stage_.journal.failing = false;
  }

  // --- the verdict

  // Every key holds what its last write left that counts. Which of those writes count must be the
  // same for all keys of a saga, and what its client was told.
  void Judge() {
    std::map<SagaId, std::string> applied, gone;
    for (const auto& shard : stage_.shards) {
      const std::vector<Write>& log = shard->log();
      std::set<std::string> keys;
      for (const Write& write : log) keys.insert(write.key);
      for (const std::string& key : keys) JudgeKey(*shard, key, applied, gone);
      if (stage_.poisoned.empty()) {
        Check(shard->Remains().empty(), "left on " + shard->name() + ": " + shard->Remains());
      }
    }
    for (const auto& [id, key] : applied) {
      Check(!gone.contains(id), SagaName(id) + " is half done: " + key + " has it, " +
                                    (gone.contains(id) ? gone[id] : "") + " has not");
    }
    for (const auto& [id, verdict] : verdicts_) {
      if (verdict == Verdict::kApplied || applied.contains(id)) JudgeWhole(id);
    }
    for (SagaId id : seen_) {
      if (stage_.poisoned.contains(id)) continue;
      Check(!gone.contains(id) && verdicts_[id] != Verdict::kGone,
            SagaName(id) + " was seen by a reader and was undone");
    }
  }

  // What was applied took effect on each of its shards, and none of them forgot it.
  void JudgeWhole(SagaId id) {
    if (stage_.poisoned.contains(id)) return;
    for (const std::string& key : keys_[id]) {
      const std::vector<Write>& log = stage_.shards[stage_.ShardOf(key)]->log();
      const bool there = std::any_of(log.begin(), log.end(), [&](const Write& write) {
        return write.saga == id && write.key == key;
      });
      Check(there, SagaName(id) + " is half done: " + key + " was never written");
    }
  }

  void JudgeKey(const ModelShard& shard, const std::string& key,
                std::map<SagaId, std::string>& applied, std::map<SagaId, std::string>& gone) {
    const Value actual = shard.Get(key);
    const std::vector<Write>& log = shard.log();
    for (auto write = log.rbegin(); write != log.rend(); ++write) {
      if (write->key != key) continue;
      if (write->saga == 0) {
        Check(actual == write->value, key + " holds " + actual.value_or("nothing") +
                                          " though the last write was " + *write->value);
        return;
      }
      if (stage_.poisoned.contains(write->saga)) return;
      const Verdict verdict = verdicts_[write->saga];
      if (verdict == Verdict::kGone) continue;
      if (actual == write->value) {
        // An absence has no name: who deleted the key cannot be told from who never made it.
        if (write->value) applied[write->saga] = key;
        return;
      }
      Check(verdict != Verdict::kApplied, key + " holds " + actual.value_or("nothing") +
                                              " though " + SagaName(write->saga) +
                                              " was committed");
      gone[write->saga] = key;
    }
    Check(!actual, key + " holds " + actual.value_or("") + " though nobody's write is left");
  }

  Stage stage_;
  bool lossy_ = false;
  std::shared_ptr<ProxyModel> proxy_;
  bool running_ = false;
  uint64_t incarnation_ = 0;
  uint64_t generation_ = 0;
  uint64_t plain_ = 0;
  int waiting_ = 0;
  std::map<SagaId, Verdict> verdicts_;
  std::map<SagaId, std::vector<std::string>> keys_;
  std::set<SagaId> seen_;  // values of these were read
};

}  // namespace

Outcome Simulate(uint64_t seed, const Options& options) { return World(seed, options).Run(); }

}  // namespace ringmaster::sim
