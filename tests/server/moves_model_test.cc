// The promise: whatever the order of events, clients see one register per key while it moves. All
// interleavings of the cores (gate, coordinator, transfer) for two workers, two shards, one or two
// keys, one crash, one lost connection with a zombie, one freeze that times out and one reversal;
// and each of the mistakes that these protocols are known for is found by the same search.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "move/key_transfer.h"
#include "move/move_coordinator.h"
#include "move/moving_keys.h"

namespace ringmaster {
namespace {

using Action = MoveCoordinator::Action;
using Phase = MoveCoordinator::Phase;
using Transfer = KeyTransfer;

// What is wrong on purpose.
enum class Mistake : uint8_t {
  kNone,
  kSkipBarrier,        // a worker says it is drained when it is not
  kReplace,            // RESTORE with REPLACE
  kSkipFence,          // a lost connection's commands may still run
  kInexactHere,        // two keys look alike
  kAbsentFromDead,     // a lost DUMP counts as "no such key"
  kReversedWalk,       // recipients before donors
  kEarlyUnlink,        // UNLINK before RESTORE is acknowledged
  kRecipientNotEmpty,  // old data on the recipient is not looked for
  kWriteTooEarly,      // a write runs when reads may
  kReadsNotEnded,      // reads on the old owner are not waited for
  kNotWatched,         // nor does anybody see that it changed there while it was copied
};

struct Scenario {
  Mistake mistake = Mistake::kNone;
  int keys = 1;
  std::vector<std::string>
      clients;  // by worker: a append, d delete, g get; with two keys "a0", "g1"
  int crashes = 0;
  int losses = 0;    // of a connection with a command in it, the mover's or a worker's
  int timeouts = 0;  // of the freeze
  int reversals = 0;
  bool walk = false;   // somebody walks over the shards meanwhile
  bool large = false;  // the keys are, and may be read while they are copied
};

Hash128 AllAlike(Bytes) { return {}; }

struct Op {
  char kind;
  int key;
  int begun = 0;
  int ended = 0;       // 0: not yet
  bool maybe = false;  // the crash took the reply
  std::string result;
};

struct Command {
  int op;
  int shard;
};

// All there is, by value: a step makes a copy.
struct World {
  explicit World(const Scenario& scenario)
      : gates{Gate(scenario), Gate(scenario)}, coordinator(2) {}
  static MovingKeys Gate(const Scenario& scenario) {
    return scenario.mistake == Mistake::kInexactHere ? MovingKeys(64, AllAlike) : MovingKeys(64);
  }

  using Value = std::optional<std::string>;
  Value data[2][2];  // by shard and key
  std::vector<MovingKeys> gates;
  MoveCoordinator coordinator;
  std::deque<Command> sent[2][2];  // by worker and shard
  int route[2] = {0, 0};           // where a worker sends
  // F freeze, T thaw, S switch, E settle, x/y the key may be read on the old owner, X/Y no longer,
  // a/b on the new one, 0/1 it is here
  std::deque<char> mail[2];
  bool draining[2] = {false, false};
  std::vector<Op> ops;
  size_t next[2] = {0, 0};  // of each client's script
  int running[2] = {-1, -1};
  int clock = 0;
  // The mover.
  int donor = 0;
  bool moving = false;  // it works
  bool halted = false;
  std::set<int> pulls;
  int key = -1;
  Transfer transfer;
  Value payload;
  bool out = false;  // its command is on its way
  bool early = false;
  bool offered = false;              // reads on the donor
  bool ends = false;                 // they are to end
  bool touched = false;              // the key changed there since it was dumped
  bool reading[2] = {false, false};  // and did not, on this worker
  bool ending[2] = {false, false};   // it waits for replies to them
  struct Zombie {
    Transfer::Step step;
    int shard;
    int key;
    Value payload;
    int op = -1;  // a client's command
  };
  std::vector<Zombie> zombies;
  char log = 's';  // s settled on 0, b barrier to 1, r barrier back, t settled on 1
  int crashes = 0, losses = 0, timeouts = 0, reversals = 0;
  int walked = 0;
  bool walk_saw = false;
  std::string wrong;
};

class Model {
 public:
  explicit Model(Scenario scenario) : scenario_(std::move(scenario)) {}

  // The first thing that goes wrong; empty: nothing does.
  std::string Search() {
    World world(scenario_);
    for (int key = 0; key < scenario_.keys; ++key) world.data[0][key] = "0";
    if (scenario_.mistake == Mistake::kRecipientNotEmpty) world.data[1][0] = "stale";
    world.crashes = scenario_.crashes;
    world.losses = scenario_.losses;
    world.timeouts = scenario_.timeouts;
    world.reversals = scenario_.reversals;
    MoveCoordinator::Actions actions;
    world.coordinator.Start(1, actions);
    CarryOut(world, actions);
    std::vector<World> open = {world};
    std::unordered_set<std::string> seen = {Describe(world)};
    while (!open.empty()) {
      const World at = std::move(open.back());
      open.pop_back();
      std::vector<World> after = Next(at);
      if (after.empty()) Judge(at);
      for (World& each : after) {
        if (!each.wrong.empty()) wrong_ = each.wrong;
        if (!wrong_.empty()) return wrong_;
        if (seen.insert(Describe(each)).second) open.push_back(std::move(each));
      }
      if (!wrong_.empty()) return wrong_;
    }
    states_ = seen.size();
    return "";
  }
  size_t states() const { return states_; }

 private:
  static std::string Name(int key) { return std::string(1, static_cast<char>('k' + key)); }

  std::string Describe(const World& w) const {
    std::string text;
    const auto add = [&text](const std::string& part) { text += part + ";"; };
    for (const auto& shard : w.data) {
      for (int key = 0; key < scenario_.keys; ++key) add(shard[key].value_or("-"));
    }
    for (int i = 0; i < 2; ++i) {
      add(w.gates[i].Describe());
      for (int key = 0; key < scenario_.keys; ++key) {
        text += w.gates[i].IsFree(0, Name(key)) ? 'f' : '-';
      }
      for (const auto& channel : w.sent[i]) {
        for (const Command& each : channel) text += std::to_string(each.op);
        text += '/';
      }
      text += w.ending[i] ? 'e' : '-';
      text += std::to_string(w.route[i]) + std::string(w.mail[i].begin(), w.mail[i].end()) +
              (w.draining[i] ? "D" : "") + std::to_string(w.next[i]) +
              std::to_string(w.running[i]) + ";";
    }
    for (const Op& op : w.ops) {
      text += std::to_string(op.begun) + "," + std::to_string(op.ended) + (op.maybe ? "?" : "") +
              op.result + " ";
    }
    add(std::to_string(static_cast<int>(w.coordinator.phase())) +
        std::to_string(w.coordinator.round()) + (w.coordinator.reversing() ? "r" : ""));
    add(std::to_string(w.donor) + (w.moving ? "m" : "") + (w.halted ? "h" : "") +
        std::to_string(w.key) + std::to_string(static_cast<int>(w.transfer.step())) +
        w.payload.value_or("-") + (w.out ? "o" : "") + (w.early ? "e" : "") +
        (w.offered ? "O" : "") + (w.ends ? "E" : "") + (w.touched ? "T" : "") +
        (w.reading[0] ? "0" : "") + (w.reading[1] ? "1" : ""));
    for (const int key : w.pulls) text += std::to_string(key);
    for (const World::Zombie& zombie : w.zombies) {
      add("z" + std::to_string(static_cast<int>(zombie.step)) + std::to_string(zombie.shard) +
          std::to_string(zombie.key) + zombie.payload.value_or("-") + std::to_string(zombie.op));
    }
    add(std::string(1, w.log) + std::to_string(w.crashes) + std::to_string(w.losses) +
        std::to_string(w.timeouts) + std::to_string(w.reversals) + std::to_string(w.walked) +
        (w.walk_saw ? "s" : ""));
    return text;
  }

  // --- what the coordinator orders ---

  void Post(World& w, char what) const {
    for (auto& mail : w.mail) mail.push_back(what);
  }

  void CarryOut(World& w, const MoveCoordinator::Actions& actions) const {
    for (const Action action : actions) {
      MoveCoordinator::Actions more;
      switch (action) {
        case Action::kWritePlan:
          w.coordinator.OnPlanWritten(true, more);
          break;
        case Action::kPrepare: {
          // A recipient with old data is refused; before a reversal what is on both sides is
          // settled for the side that serves.
          const int to = w.coordinator.reversing() ? w.donor : 1 - w.donor;
          bool ok = true;
          for (int key = 0; key < scenario_.keys; ++key) {
            if (!w.coordinator.reversing()) {
              ok = ok && (!w.data[to][key] || scenario_.mistake == Mistake::kRecipientNotEmpty);
            } else if (w.data[0][key] && w.data[1][key]) {
              w.data[w.donor][key].reset();
            }
          }
          w.coordinator.OnPrepared(ok, more);
          break;
        }
        case Action::kPostFreeze:
          Post(w, 'F');
          break;
        case Action::kPostThaw:
          Post(w, 'T');
          break;
        case Action::kHaltMovers:
          w.halted = true;  // answered when nothing is in doubt
          break;
        case Action::kResumeMovers:
          w.halted = false;
          break;
        case Action::kWriteBarrier:
          w.log = w.log == 's' ? 'b' : 'r';
          w.coordinator.OnBarrierWritten(true, more);
          break;
        case Action::kPostSwitch:
          w.donor = w.log == 'b' ? 0 : 1;
          Post(w, 'S');
          break;
        case Action::kStartMovers:
          w.moving = true;
          w.halted = false;
          w.key = -1;
          w.pulls.clear();
          break;
        case Action::kWriteSettled:
          w.log = w.log == 'b' ? 't' : 'u';
          w.coordinator.OnSettledWritten(true, more);
          break;
        case Action::kPostSettle:
          Post(w, 'E');
          break;
        case Action::kStopMovers:
          w.moving = false;
          break;
        case Action::kDiscardPlan:
        case Action::kStartTimer:
          break;
      }
      CarryOut(w, more);
    }
  }

  // --- steps ---

  std::vector<World> Next(const World& at) {
    std::vector<World> after;
    const auto step = [&](const std::function<void(World&)>& change) {
      World w = at;
      change(w);
      after.push_back(std::move(w));
    };
    for (int worker = 0; worker < 2; ++worker) {
      if (CanBegin(at, worker)) step([&](World& w) { BeginOp(w, worker); });
      if (!at.mail[worker].empty()) step([&](World& w) { ReadMail(w, worker); });
      for (int shard = 0; shard < 2; ++shard) {
        if (!at.sent[worker][shard].empty()) {
          step([&](World& w) { Execute(w, worker, shard); });
          if (at.losses > 0) step([&](World& w) { LoseCommand(w, worker, shard); });
        }
      }
    }
    MoverSteps(at, step);
    if (at.coordinator.phase() == Phase::kFreezing && at.timeouts > 0) {
      step([&](World& w) {
        --w.timeouts;
        MoveCoordinator::Actions actions;
        w.coordinator.OnFreezeTimeout(w.coordinator.round(), actions);
        CarryOut(w, actions);
      });
    }
    if (at.coordinator.phase() == Phase::kMoving && at.reversals > 0) {
      step([&](World& w) {
        --w.reversals;
        MoveCoordinator::Actions actions;
        // The checks run beside the mover: with nothing of it half done.
        if (w.key >= 0) return;
        w.coordinator.Reverse(1, actions);
        CarryOut(w, actions);
      });
    }
    if (at.crashes > 0) {
      step([&](World& w) { Crash(w); });
      if (at.out) {
        step([&](World& w) {
          RunStep(w);
          Crash(w);
        });
      }
    }
    if (scenario_.walk && at.walked < 2 && at.coordinator.phase() == Phase::kMoving) {
      step([&](World& w) { Walk(w); });
    }
    return after;
  }

  bool CanBegin(const World& w, int worker) const {
    return w.running[worker] < 0 && w.next[worker] < scenario_.clients[worker].size();
  }

  void BeginOp(World& w, int worker) const {
    const std::string& script = scenario_.clients[worker];
    Op op{script[w.next[worker]++], 0, ++w.clock, 0, false, ""};
    if (scenario_.keys > 1) op.key = script[w.next[worker]++] - '0';
    w.running[worker] = static_cast<int>(w.ops.size());
    w.ops.push_back(op);
    MovingKeys::Actions actions;
    const std::string name = Name(op.key);
    const bool read = op.kind == 'g' || scenario_.mistake == Mistake::kWriteTooEarly;
    const auto access = read ? MovingKeys::Access::kRead : MovingKeys::Access::kWrite;
    switch (w.gates[worker].Touch(w.ops.size() - 1, {{0, name}}, access, actions)) {
      case MovingKeys::Verdict::kRuns:
        Send(w, worker, w.running[worker], w.route[worker]);
        break;
      case MovingKeys::Verdict::kReadsOld:
        Send(w, worker, w.running[worker], 1 - w.route[worker]);
        break;
      case MovingKeys::Verdict::kWaits:
        break;
    }
    CarryOut(w, worker, actions);
  }

  void Send(World& w, int worker, int op, int shard) const {
    w.sent[worker][shard].push_back({op, shard});
  }

  void CarryOut(World& w, int worker, const MovingKeys::Actions& actions) const {
    for (const MovingKeys::Pull& pull : actions.pulls) w.pulls.insert(pull.key[0] - 'k');
    for (const MovingKeys::Token token : actions.run) {
      Send(w, worker, static_cast<int>(token), w.route[worker]);
    }
    for (const MovingKeys::Token token : actions.read_old) {
      Send(w, worker, static_cast<int>(token), 1 - w.route[worker]);
    }
  }

  void Ack(World& w, int worker) const {
    if (w.ending[worker] && w.sent[worker][w.donor].empty()) {
      w.ending[worker] = false;
      w.reading[worker] = false;
    }
    if (!w.draining[worker]) return;
    const bool drained = w.sent[worker][0].empty() && w.sent[worker][1].empty();
    if (!drained && scenario_.mistake != Mistake::kSkipBarrier) return;
    w.draining[worker] = false;
    MoveCoordinator::Actions actions;
    w.coordinator.OnAck(worker, w.coordinator.round(), actions);
    CarryOut(w, actions);
  }

  void ReadMail(World& w, int worker) const {
    const char what = w.mail[worker].front();
    w.mail[worker].pop_front();
    MovingKeys::Actions actions;
    MovingKeys& gate = w.gates[worker];
    if (what == 'F') {
      gate.Freeze();
      w.draining[worker] = true;
    } else if (what == 'T') {
      w.draining[worker] = false;
      gate.Thaw(actions);
    } else if (what == 'S') {
      w.route[worker] = 1 - w.route[worker];
      gate.Switch(actions);
    } else if (what == 'E') {
      gate.Settle(actions);
    } else if (what == 'X' || what == 'Y') {
      gate.OnReadable(0, Name(what - 'X'), MovingKeys::Copy::kNone, actions);
      w.ending[worker] = true;
    } else if (what == 'x' || what == 'y') {
      gate.OnReadable(0, Name(what - 'x'), MovingKeys::Copy::kOld, actions);
    } else if (what == 'a' || what == 'b') {
      gate.OnReadable(0, Name(what - 'a'), MovingKeys::Copy::kNew, actions);
    } else {
      gate.OnHere(0, Name(what - '0'), actions);
    }
    CarryOut(w, worker, actions);
    Ack(w, worker);
  }

  void Apply(World& w, int shard, Op& op, int id) const {
    World::Value& value = w.data[shard][op.key];
    if (op.kind != 'g' && shard == w.donor && op.key == w.key) w.touched = true;
    if (op.kind == 'a') {
      value = value.value_or("") + std::string(1, static_cast<char>('A' + id));
      op.result = *value;
    } else {
      op.result = value.value_or("nil");
      if (op.kind == 'd') value.reset();
    }
  }

  void Execute(World& w, int worker, int shard) const {
    const Command command = w.sent[worker][shard].front();
    w.sent[worker][shard].pop_front();
    Op& op = w.ops[command.op];
    Apply(w, shard, op, command.op);
    op.ended = ++w.clock;
    w.running[worker] = -1;
    Ack(w, worker);
  }

  // Its client is told that nobody knows; it may run whenever it likes, or never.
  void LoseCommand(World& w, int worker, int shard) const {
    --w.losses;
    const Command command = w.sent[worker][shard].front();
    w.sent[worker][shard].pop_front();
    w.ops[command.op].maybe = true;
    w.running[worker] = -1;
    w.zombies.push_back({Transfer::Step::kDump, shard, 0, {}, command.op});
    Ack(w, worker);
  }

  // --- the mover ---

  using Change = std::function<void(World&)>;
  void MoverSteps(const World& at,
                  const std::function<void(const std::function<void(World&)>&)>& step) {
    for (size_t i = 0; i < at.zombies.size(); ++i) {
      step([&](World& w) {
        const World::Zombie zombie = w.zombies[i];
        w.zombies.erase(w.zombies.begin() + static_cast<ptrdiff_t>(i));
        if (zombie.op >= 0) return Apply(w, zombie.shard, w.ops[zombie.op], zombie.op);
        RunAt(w, zombie.step, zombie.shard, zombie.key, zombie.payload);
      });
    }
    if (!at.moving) return;
    if (at.key < 0) {
      if (at.halted && at.pulls.empty() && at.coordinator.phase() == Phase::kHalting) {
        step([&](World& w) {
          MoveCoordinator::Actions actions;
          w.moving = false;
          w.coordinator.OnHalted(true, actions);
          CarryOut(w, actions);
        });
        return;
      }
      for (int key = 0; key < scenario_.keys; ++key) {
        const bool sweep = at.data[at.donor][key].has_value() && !at.halted &&
                           at.coordinator.phase() == Phase::kMoving;
        if (!sweep && !at.pulls.contains(key)) continue;
        step([&](World& w) {
          w.key = key;
          w.transfer = Transfer();
          w.early = false;
          w.offered = w.ends = false;
        });
      }
      const bool swept = !at.data[at.donor][0] && !at.data[at.donor][1] && at.pulls.empty();
      if (swept && at.coordinator.phase() == Phase::kMoving) {
        step([&](World& w) {
          MoveCoordinator::Actions actions;
          w.coordinator.OnSwept(0, actions);
          CarryOut(w, actions);
        });
      }
      return;
    }
    if (at.offered && at.transfer.step() == Transfer::Step::kRestore && !at.out) {
      const bool ended = !at.reading[0] && !at.reading[1];
      if (!at.ends) {
        step([&](World& w) {
          w.ends = true;
          Post(w, static_cast<char>('X' + w.key));
        });
      }
      if (!at.ends || (!ended && scenario_.mistake != Mistake::kReadsNotEnded)) return;
      if (at.touched && scenario_.mistake != Mistake::kNotWatched) {
        step([&](World& w) {
          w.transfer = Transfer();
          w.offered = w.ends = false;
        });
        return;
      }
    }
    // A large key is copied: those who asked for it may read meanwhile.
    const bool may_offer = scenario_.large && at.pulls.contains(at.key) && !at.offered && !at.out &&
                           at.transfer.step() == Transfer::Step::kRestore;
    if (may_offer) {
      step([&](World& w) {
        w.offered = w.reading[0] = w.reading[1] = true;
        Post(w, static_cast<char>('x' + w.key));
      });
    }
    if (!at.out) {
      step([&](World& w) {
        w.out = true;
        // A mover that does not wait for the RESTORE's reply.
        if (scenario_.mistake == Mistake::kEarlyUnlink &&
            w.transfer.step() == Transfer::Step::kRestore) {
          w.data[w.donor][w.key].reset();
        }
      });
      return;
    }
    step([&](World& w) { w.out = false, TakeReply(w, RunStep(w)); });
    if (at.losses == 0) return;
    for (const bool runs : {false, true}) {
      step([&](World& w) {
        --w.losses;
        w.out = false;
        const Transfer::Step was = w.transfer.step();
        const int shard = was == Transfer::Step::kRestore ? 1 - w.donor : w.donor;
        // Behind a fence it has run or never will.
        if (runs) {
          RunStep(w);
        } else if (scenario_.mistake == Mistake::kSkipFence && was != Transfer::Step::kDump) {
          w.zombies.push_back({was, shard, w.key, w.payload});
        }
        TakeReply(w, scenario_.mistake == Mistake::kAbsentFromDead && was == Transfer::Step::kDump
                         ? Transfer::Reply::kAbsent
                         : Transfer::Reply::kLost);
      });
    }
  }

  Transfer::Reply RunAt(World& w, Transfer::Step step, int shard, int key,
                        const World::Value& payload) const {
    World::Value& value = w.data[shard][key];
    if (step == Transfer::Step::kRestore) {
      if (value && scenario_.mistake != Mistake::kReplace) return Transfer::Reply::kBusy;
      value = payload;
    } else if (step == Transfer::Step::kUnlink) {
      value.reset();
    }
    return Transfer::Reply::kOk;
  }

  Transfer::Reply RunStep(World& w) const {
    if (w.transfer.step() == Transfer::Step::kDump) {
      w.payload = w.data[w.donor][w.key];
      w.touched = false;
      return w.payload ? Transfer::Reply::kOk : Transfer::Reply::kAbsent;
    }
    const int shard = w.transfer.step() == Transfer::Step::kRestore ? 1 - w.donor : w.donor;
    return RunAt(w, w.transfer.step(), shard, w.key, w.payload);
  }

  void TakeReply(World& w, Transfer::Reply reply) const {
    w.transfer.OnReply(reply);
    if (w.transfer.step() == Transfer::Step::kSuspect) {
      w.transfer.Retry();
      return;
    }
    if (w.transfer.step() == Transfer::Step::kUnlink && w.pulls.contains(w.key)) {
      Post(w, static_cast<char>('a' + w.key));
    }
    if (!w.transfer.ended()) return;
    const int key = std::exchange(w.key, -1);
    w.payload.reset();
    if (w.transfer.step() != Transfer::Step::kHere) return;  // and again, later
    if (w.pulls.erase(key) > 0) Post(w, static_cast<char>('0' + key));
  }

  // --- trouble ---

  // kill -9 and a restart: what was sent may still run, before the successor's fence.
  void Crash(World& w) const {
    --w.crashes;
    World fresh(scenario_);
    for (int shard = 0; shard < 2; ++shard) {
      for (int key = 0; key < 2; ++key) fresh.data[shard][key] = w.data[shard][key];
    }
    fresh.ops = w.ops;
    fresh.clock = w.clock;
    fresh.losses = w.losses;
    fresh.timeouts = w.timeouts;
    fresh.reversals = w.reversals;
    fresh.log = w.log;
    fresh.walked = w.walked;
    fresh.walk_saw = w.walk_saw;
    fresh.zombies = w.zombies;
    for (int worker = 0; worker < 2; ++worker) {
      fresh.next[worker] = w.next[worker];
      if (w.running[worker] >= 0) fresh.ops[w.running[worker]].maybe = true;
      for (int shard = 0; shard < 2; ++shard) {
        for (const Command& each : w.sent[worker][shard]) {
          fresh.zombies.push_back({Transfer::Step::kDump, shard, 0, {}, each.op});
        }
      }
    }
    MoveCoordinator::Actions actions;
    const bool moving = w.log == 'b' || w.log == 'r';
    const int owner = w.log == 'b' || w.log == 't' ? 1 : 0;
    fresh.donor = 1 - owner;
    for (int worker = 0; worker < 2; ++worker) {
      fresh.route[worker] = owner;
      MovingKeys::Actions none;
      if (moving) fresh.gates[worker].Switch(none);
    }
    w = std::move(fresh);
    if (moving) w.coordinator.Resume(1, actions);
    CarryOut(w, actions);
  }

  void Walk(World& w) const {
    const int first = scenario_.mistake == Mistake::kReversedWalk ? 1 - w.donor : w.donor;
    const int shard = w.walked == 0 ? first : 1 - first;
    w.walk_saw = w.walk_saw || w.data[shard][0].has_value();
    if (++w.walked == 2 && !w.walk_saw) w.wrong = "a walk missed a key";
  }

  // --- the judgement ---

  // At the end of a path: is there an order of the operations that explains all replies and what
  // the owner holds?
  void Judge(const World& w) {
    for (int worker = 0; worker < 2; ++worker) {
      if (w.running[worker] >= 0) wrong_ = "a command never got its reply";
    }
    const bool stuck = w.coordinator.phase() != Phase::kStable;
    if (stuck) wrong_ = "the move never ended: " + Describe(w);
    const int owner = w.log == 't' || w.log == 'b' ? 1 : 0;
    for (int key = 0; key < scenario_.keys && wrong_.empty(); ++key) {
      std::vector<const Op*> ops;
      std::vector<int> ids;
      for (size_t i = 0; i < w.ops.size(); ++i) {
        if (w.ops[i].key != key) continue;
        ops.push_back(&w.ops[i]);
        ids.push_back(static_cast<int>(i));
      }
      std::vector<bool> used(ops.size());
      if (!Explains(ops, ids, used, World::Value("0"), w.data[owner][key])) {
        wrong_ = "no order explains it: " + Describe(w);
      }
    }
  }

  bool Explains(const std::vector<const Op*>& ops, const std::vector<int>& ids,
                std::vector<bool>& used, const World::Value& now, const World::Value& last) const {
    bool left = false;
    for (size_t i = 0; i < ops.size(); ++i) left = left || (!used[i] && !ops[i]->maybe);
    if (!left && now == last) return true;
    for (size_t i = 0; i < ops.size(); ++i) {
      if (used[i]) continue;
      bool first = true;
      for (size_t k = 0; k < ops.size(); ++k) {
        const bool before = !used[k] && k != i && !ops[k]->maybe && ops[k]->ended < ops[i]->begun;
        if (before) first = false;
      }
      if (!first) continue;
      World::Value then = now;
      std::string result = now.value_or("nil");
      if (ops[i]->kind == 'a') {
        then = now.value_or("") + std::string(1, static_cast<char>('A' + ids[i]));
        result = *then;
      } else if (ops[i]->kind == 'd') {
        then.reset();
      }
      if (!ops[i]->maybe && result != ops[i]->result) continue;
      used[i] = true;
      const bool fits = Explains(ops, ids, used, then, last);
      used[i] = false;
      if (fits) return true;
    }
    return false;
  }

  const Scenario scenario_;
  std::string wrong_;
  size_t states_ = 0;
};

void ExpectRight(const Scenario& scenario) {
  Model model(scenario);
  EXPECT_EQ(model.Search(), "");
  EXPECT_GT(model.states(), 100U);
}

// The same world without the mistake is right, and with it something goes wrong.
void ExpectFound(Scenario scenario, Mistake mistake) {
  ExpectRight(scenario);
  scenario.mistake = mistake;
  EXPECT_NE(Model(scenario).Search(), "");
}

TEST(MovesModelTest, TwoClientsSeeOneRegisterThroughAMove) {
  ExpectRight({.clients = {"ag", "da"}});
}
TEST(MovesModelTest, AlsoWhenTheProxyIsKilled) {
  ExpectRight({.clients = {"ad", "a"}, .crashes = 1});
}
TEST(MovesModelTest, AlsoWhenAConnectionOfTheMoverIsLost) {
  ExpectRight({.clients = {"ad", "a"}, .losses = 1});
}
TEST(MovesModelTest, ReadsThatComeEarlyAreOfTheSameRegister) {
  ExpectRight({.clients = {"gd", "g"}, .crashes = 1});
  ExpectRight({.clients = {"gd", "gg"}, .losses = 1});
  ExpectRight({.clients = {"g", "ad"}, .reversals = 1});
}
TEST(MovesModelTest, AlsoWhenTheFreezeTimesOut) {
  ExpectRight({.clients = {"ad", "a"}, .timeouts = 1});
}
TEST(MovesModelTest, AlsoWhenItIsTurnedAround) {
  ExpectRight({.clients = {"ad", "a"}, .reversals = 1});
}
TEST(MovesModelTest, AlsoWhenItIsTurnedAroundAndKilled) {
  ExpectRight({.clients = {"d", "a"}, .crashes = 1, .reversals = 1});
}
TEST(MovesModelTest, AlsoWithTwoKeys) { ExpectRight({.keys = 2, .clients = {"a0g1", "a1d0"}}); }
TEST(MovesModelTest, WalkMissesNothing) { ExpectRight({.clients = {"a", "g"}, .walk = true}); }

TEST(MovesModelTest, SkippedBarrierIsFound) {
  ExpectFound({.clients = {"a", "ag"}}, Mistake::kSkipBarrier);
}
TEST(MovesModelTest, RestoreWithReplaceIsFound) {
  ExpectFound({.clients = {"a", "a"}, .losses = 1}, Mistake::kReplace);
}
TEST(MovesModelTest, SkippedFenceIsFound) {
  ExpectFound({.clients = {"dg", "g"}, .losses = 1}, Mistake::kSkipFence);
}
TEST(MovesModelTest, InexactMemoryOfWhatArrivedIsFound) {
  ExpectFound({.keys = 2, .clients = {"a0g1", "g1"}}, Mistake::kInexactHere);
}
TEST(MovesModelTest, AbsenceToldByADeadDonorIsFound) {
  ExpectFound({.clients = {"g", "a"}, .losses = 1}, Mistake::kAbsentFromDead);
}
TEST(MovesModelTest, WalkInTheWrongOrderIsFound) {
  ExpectFound({.clients = {"g", ""}, .walk = true}, Mistake::kReversedWalk);
}
TEST(MovesModelTest, UnlinkBeforeTheRestoreIsAcknowledgedIsFound) {
  ExpectFound({.clients = {"g", "a"}, .crashes = 1}, Mistake::kEarlyUnlink);
}
TEST(MovesModelTest, ReadsWhileALargeKeyIsCopiedAreOfTheSameRegister) {
  ExpectRight({.clients = {"gd", "gg"}, .large = true});
  ExpectRight({.clients = {"ga", "g"}, .crashes = 1, .large = true});
  ExpectRight({.clients = {"gd", "g"}, .losses = 1, .large = true});
  ExpectRight({.clients = {"g", "ga"}, .reversals = 1, .large = true});
}
TEST(MovesModelTest, ReadsThatAreNotEndedAreFound) {
  ExpectFound({.clients = {"gg", "gd"}, .large = true}, Mistake::kReadsNotEnded);
}
TEST(MovesModelTest, LargeKeyThatNobodyWatchesIsFound) {
  ExpectFound({.clients = {"gd", "g"}, .losses = 1, .large = true}, Mistake::kNotWatched);
}
TEST(MovesModelTest, WriteBeforeTheOldCopyIsGoneIsFound) {
  ExpectFound({.clients = {"dg", "g"}, .crashes = 1}, Mistake::kWriteTooEarly);
}
TEST(MovesModelTest, OldDataOnTheRecipientIsFound) {
  ExpectFound({.clients = {"g", "a"}}, Mistake::kRecipientNotEmpty);
}

}  // namespace
}  // namespace ringmaster
