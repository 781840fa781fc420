// PROXY REBALANCE: what the operator asks and sees.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "server/rebalancer.h"
#include "server/snapshot.h"
#include "server/status.h"

namespace ringmaster {
namespace {

const char* PhaseName(MoveCoordinator::Phase phase) {
  switch (phase) {
    case MoveCoordinator::Phase::kStable:
      return "stable";
    case MoveCoordinator::Phase::kPlanning:
    case MoveCoordinator::Phase::kPreparing:
      return "preparing";
    case MoveCoordinator::Phase::kFreezing:
    case MoveCoordinator::Phase::kHalting:
    case MoveCoordinator::Phase::kCommitting:
      return "switching";
    case MoveCoordinator::Phase::kMoving:
      return "moving";
    case MoveCoordinator::Phase::kSettling:
      return "settling";
  }
  return "";
}

constexpr size_t kSlowest = 8;
constexpr size_t kMostPlans = 8;
constexpr size_t kMaxPlanFile = size_t{1} << 20;  // as of a configuration

// Empty: there is none.
std::string DescribeLarge(const std::string& donor, const LargeKey& key) {
  if (key.type.empty()) return "";
  const bool text = key.type == "string";
  return fmt::format("large_key: donor={},type={},{}={},done={},memory={},key={}\n", donor,
                     key.type, text ? "bytes" : "elements", key.size, key.done, key.bytes,
                     Printable(key.key));
}

std::string DescribePace(const MovePacer& pacer) {
  const MovePacer::Figures now = pacer.figures();
  return fmt::format("pace: beside_clients={},share={:.2f},quiet_p99_usec={}\n",
                     now.alone ? "no" : "yes", now.share, Microseconds(now.past_p99));
}

// 0: nothing is left, or nobody knows.
double SecondsLeft(uint64_t keys, double rate) {
  return rate > 0 ? std::min(static_cast<double>(keys) / rate, 1e9) : 0;
}

// Where it is wrong, without a word of what is there: "file:line:column: ..." has it in front.
Error NotAConfiguration(const std::string& problems) {
  const size_t first = problems.find(':') + 1;
  const size_t second = problems.find(':', first);
  const size_t third = problems.find(':', second + 1);
  const auto shown = std::count(problems.begin(), problems.end(), '\n') + 1;
  return Error{
      ErrorCode::kInvalid,
      fmt::format("it is no valid configuration: {} mistakes, the first in line {}, column "
                  "{}; `ringmaster --test-config` tells them",
                  shown, problems.substr(first, second - first),
                  problems.substr(second + 1, third - second - 1))};
}

std::string DescribePlan(const RingMove& move) {
  std::string text =
      fmt::format("share_moving: {:.4f}\nranges: {}\n", move.share(), move.ranges().size());
  for (uint32_t i = 0; i < move.shards().size(); ++i) {
    const bool joins = move.from()->shards()[i].absent;
    const bool leaves = move.to()->shards()[i].absent;
    text += fmt::format("shard: name={},share={:.4f}->{:.4f}{}\n", move.shards()[i].name,
                        move.from()->ShareOf(i), move.to()->ShareOf(i),
                        joins    ? ",joins"
                        : leaves ? ",leaves"
                                 : "");
  }
  std::vector<std::vector<uint64_t>> pairs(move.shards().size(),
                                           std::vector<uint64_t>(move.shards().size()));
  for (const RingMove::Range& range : move.ranges()) {
    pairs[range.from][range.to] += uint64_t{range.last} - range.first + 1;
  }
  for (uint32_t from = 0; from < pairs.size(); ++from) {
    for (uint32_t to = 0; to < pairs.size(); ++to) {
      if (pairs[from][to] == 0) continue;
      text +=
          fmt::format("pair: {} -> {}: {:.4f}\n", move.shards()[from].name, move.shards()[to].name,
                      static_cast<double>(pairs[from][to]) / 4294967296.0);
    }
  }
  return text;
}

}  // namespace

std::string Rebalancer::StatusText() const {
  const double seconds = std::chrono::duration<double>(MonotonicNow() - moving_since_).count();
  std::string text = fmt::format("state: {}\nepoch: {}\n", StateName(),
                                 move_ != nullptr ? next_.epoch : ring_.epoch);
  if (Bytes(StateName()) == kWaitingState) {
    text += "waiting: " + refused_ + "\n";
  } else if (!refused_.empty()) {
    text += "last_refusal: " + refused_ + "\n";
  }
  if (!other_proxy_.empty()) text += "other_proxy: " + other_proxy_ + "\n";
  if (abandoned_) text += "held: until the next reload\n";
  const RingMove* move = move_ != nullptr ? move_.get() : next_move_.get();
  if (move != nullptr) {
    text += fmt::format("share_moving: {:.4f}\ndonors: {}\nrecipients: {}\n", move->share(),
                        move->donors().size(), move->recipients().size());
  }
  if (movers_ != nullptr) {
    text += fmt::format("paused: {}\n", movers_->context.paused ? "yes" : "no");
    text += DescribePace(*movers_->context.pacer);
    uint64_t keys = 0;
    uint64_t bytes = 0;
    uint64_t left = 0;
    uint64_t bytes_left = 0;
    std::vector<std::pair<Duration, std::string>> slowest;
    for (const auto& mover : movers_->movers) {
      const MoverFigures each = mover->figures();
      keys += each.keys;
      bytes += each.bytes;
      text += fmt::format(
          "donor: name={},state={},keys={},bytes={},keys_left={},bytes_left={},pulls={},pass={},"
          "scanned={},largest={},old_copies={},trouble={}\n",
          movers_->context.targets[mover->donor()].name, each.swept ? "swept" : "sweeping",
          each.keys, each.bytes, each.keys_left(), each.bytes_left(), each.pulls, each.passes,
          each.scanned, each.largest, each.old_copies, each.trouble);
      text += DescribeLarge(movers_->context.targets[mover->donor()].name, each.in_hand);
      left += each.keys_left();
      bytes_left += each.bytes_left();
      for (const SlowKey& slow : each.slowest) slowest.emplace_back(slow.took, Printable(slow.key));
    }
    std::sort(slowest.begin(), slowest.end(), std::greater<>());
    if (slowest.size() > kSlowest) slowest.resize(kSlowest);
    for (const auto& [took, key] : slowest) {
      text += fmt::format("slow_key: {:.1f} ms {}\n",
                          static_cast<double>(Microseconds(took)) / 1000, key);
    }
    const double rate = static_cast<double>(keys) / std::max(seconds, 0.001);
    text += fmt::format(
        "keys_moved: {}\nbytes_moved: {}\nkeys_left: {}\nbytes_left: {}\nseconds: {:.1f}\n"
        "keys_per_second: {:.0f}\nseconds_left: {:.1f}\n",
        keys, bytes, left, bytes_left, seconds, rate, SecondsLeft(left, rate));
  }
  text += fmt::format("freezes: {}\nlast_freeze_micros: {}\nlongest_freeze_micros: {}\n", freezes_,
                      Microseconds(last_freeze_), Microseconds(longest_freeze_));
  if (!last_moved_.empty()) text += "last_move: " + last_moved_ + "\n";
  if (!safe_to_stop_.empty()) text += "safe_to_stop: " + safe_to_stop_ + "\n";
  return text;
}

// A move that is wanted and does not begin is not stable, also while it is tried once more.
const char* Rebalancer::StateName() const {
  const MoveCoordinator::Phase phase = coordinator_.phase();
  const bool begins = phase == MoveCoordinator::Phase::kStable ||
                      phase == MoveCoordinator::Phase::kPlanning ||
                      phase == MoveCoordinator::Phase::kPreparing;
  return move_ == nullptr && begins && !refused_.empty() && !abandoned_ ? kWaitingState
                                                                        : PhaseName(phase);
}

void Rebalancer::Describe(RebalanceOverview& out) const {
  out.pool = Wanted().name;
  out.state = StateName();
  out.epoch = move_ != nullptr ? next_.epoch : ring_.epoch;
  const RingMove* move = move_ != nullptr ? move_.get() : next_move_.get();
  if (move != nullptr) out.share_moving = move->share();
  out.refused = refused_;
  out.other_proxy = other_proxy_;
  out.keys = retired_figures_.keys;
  out.bytes = retired_figures_.bytes;
  out.pulls = retired_figures_.pulls;
  out.moves = moves_;
  out.freezes = freezes_;
  out.last_freeze_seconds = std::chrono::duration<double>(last_freeze_).count();
  out.longest_freeze_seconds = std::chrono::duration<double>(longest_freeze_).count();
  out.last_moved = last_moved_;
  out.safe_to_stop = safe_to_stop_;
  if (movers_ == nullptr) return;
  out.paused = movers_->context.paused;
  out.seconds = std::chrono::duration<double>(MonotonicNow() - moving_since_).count();
  uint64_t moved = 0;
  for (const auto& mover : movers_->movers) {
    const MoverFigures each = mover->figures();
    out.keys += each.keys;
    out.bytes += each.bytes;
    out.pulls += each.pulls;
    moved += each.keys;
    out.keys_left += each.keys_left();
    out.bytes_left += each.bytes_left();
    std::vector<std::pair<std::string, double>> slowest;
    for (const SlowKey& slow : each.slowest) {
      slowest.emplace_back(Printable(slow.key), std::chrono::duration<double>(slow.took).count());
    }
    out.donors.push_back({out.pool, movers_->context.targets[mover->donor()].name, each.swept,
                          each.keys, each.bytes, each.pulls, each.passes, each.scanned,
                          each.largest, std::move(slowest), each.keys_left(), each.bytes_left(),
                          each.trouble});
  }
  out.seconds_left =
      SecondsLeft(out.keys_left, static_cast<double>(moved) / std::max(out.seconds, 0.001));
}

// On a thread of its own: reads, parses and plans. The text is the client's own, and errors may
// show it; of a file they show where it is wrong, as it may be another file than the client thinks.
Result<std::string> Rebalancer::PlanFor(const PlanRequest& request) {
  Result<Config> next = Error{};
  if (request.text) {
    next = ParseConfig(*request.text, "text", NamedFiles::kLeaveAlone);
    if (!next) return next.error();
  } else {
    const Result<std::string> text = ReadFileIn(request.folder, request.file, kMaxPlanFile);
    if (!text) return text.error();
    next = ParseConfig(*text, "", NamedFiles::kLeaveAlone);
    if (!next) return NotAConfiguration(next.error().text);
  }
  const auto pool = std::find_if(next->pools.begin(), next->pools.end(),
                                 [&](const PoolConfig& each) { return each.name == request.pool; });
  if (pool == next->pools.end()) {
    return Error{ErrorCode::kInvalid, "it has no pool '" + request.pool + "'"};
  }
  const auto plan = RingMove::Plan(request.from, SpecOf(*pool), request.epoch);
  if (!plan) return plan.error();
  return DescribePlan(**plan);
}

void Rebalancer::Plan(const std::vector<std::string>& words,
                      std::function<void(Result<std::string>)> done) {
  if (words.size() != 2) {
    return done(
        Error{ErrorCode::kInvalid,
              "say PROXY REBALANCE PLAN <file in the configuration's folder>, or its text"});
  }
  const Ring& base = move_ != nullptr ? next_ : ring_;
  PlanRequest request{SpecOf(base.pool), base.epoch + 1, Wanted().name, {}, {}, {}};
  // What a configuration has, and no name of one.
  if (words[1].find_first_of(":\n") != std::string::npos) {
    request.text = words[1];
  } else if (status_.config_file.empty()) {
    return done(
        Error{ErrorCode::kInvalid,
              "there is no configuration file, so there is no folder of it; give the text"});
  } else {
    request.folder = std::filesystem::path(status_.config_file).parent_path().string();
    request.file = words[1];
  }
  if (plans_waiting_ >= kMostPlans) {
    return done(Error{ErrorCode::kLimit, "too many plans are being made; try again"});
  }
  ++plans_waiting_;
  planner_.Run([this, request = std::move(request), done = std::move(done)] {
    Post([this, plan = PlanFor(request), done] {
      --plans_waiting_;
      done(plan);
    });
  });
}

Result<std::string> Rebalancer::Reverse() {
  if (coordinator_.phase() != MoveCoordinator::Phase::kMoving) {
    return Error{ErrorCode::kRefused, busy()
                                          ? "the move is at a point where it cannot be turned "
                                            "around; look at PROXY REBALANCE STATUS and try again"
                                          : "no keys are on the move"};
  }
  auto plan = RingMove::Plan(SpecOf(next_.pool), SpecOf(ring_.pool), next_.epoch + 1);
  if (!plan) return plan.error();
  next_move_ = *plan;
  next_from_ = next_;
  next_to_ = {next_.epoch + 1, ring_.pool};
  // Otherwise the configuration would turn it around once more.
  abandoned_ = true;
  Actions actions;
  coordinator_.Reverse(next_move_->donors().size(), actions);
  CarryOut(actions);
  return std::string("the keys go back; edit the configuration before the next reload");
}

// A shard that shall leave and is gone already: what it holds is lost, and the others may move.
Result<std::string> Rebalancer::GiveUp(const std::string& shard) {
  const auto named = [&](const ShardConfig& each) { return each.name == shard; };
  const auto& now = ring_.pool.shards;
  const auto& wanted = Wanted().shards;
  if (move_ != nullptr || std::none_of(now.begin(), now.end(), named) ||
      std::any_of(wanted.begin(), wanted.end(), named)) {
    return Error{ErrorCode::kRefused, "no keys move off a shard '" + shard +
                                          "'; one that is to leave is taken out of the "
                                          "configuration first"};
  }
  LogWarning("pool {}: told to give up all that shard {} holds", Wanted().name, shard);
  given_up_.insert(shard);
  retry_after_ = Duration(0);
  Consider();
  return "what shard " + shard + " holds is given up; the other keys move without it";
}

// The shards' marks were left by a proxy that is gone.
Result<std::string> Rebalancer::Claim() {
  claim_ = true;
  retry_after_ = Duration(0);
  other_proxy_.clear();
  if (!busy()) Consider();
  if (!busy()) {
    return std::string("the next move takes the shards over, whoever moved keys on them before");
  }
  return std::string("this move takes the shards over, whoever moved keys on them before");
}

Result<std::string> Rebalancer::Abandon(const std::vector<std::string>& words) {
  if (words.size() > 1) {
    for (size_t i = 0; movers_ != nullptr && i < movers_->movers.size(); ++i) {
      const auto& mover = movers_->movers[i];
      if (movers_->context.targets[mover->donor()].name != words[1]) continue;
      LogWarning("pool {}: told to give up what is still on shard {}", Wanted().name, words[1]);
      mover->Abandon();
      return "what is still on shard " + words[1] + " is given up";
    }
    return GiveUp(words[1]);
  }
  if (move_ != nullptr) {
    return Error{ErrorCode::kRefused,
                 "keys are on the move already: PROXY REBALANCE REVERSE takes them back, ABANDON "
                 "<shard> gives up what a dead donor still holds"};
  }
  abandoned_ = true;
  retry_timer_.Stop();
  return std::string("the old ring stays until the next reload");
}

Result<std::string> Rebalancer::Order(const std::vector<std::string>& words) {
  const Bytes what = words.empty() ? Bytes("STATUS") : Bytes(words[0]);
  if (EqualsIgnoreCase(what, "STATUS")) return StatusText();
  if (EqualsIgnoreCase(what, "REVERSE")) return Reverse();
  if (EqualsIgnoreCase(what, "ABANDON")) return Abandon(words);
  if (EqualsIgnoreCase(what, "CLAIM")) return Claim();
  const bool pause = EqualsIgnoreCase(what, "PAUSE");
  if (pause || EqualsIgnoreCase(what, "RESUME")) {
    if (movers_ == nullptr) return Error{ErrorCode::kRefused, "no keys are on the move"};
    movers_->context.paused = pause;
    for (const auto& mover : movers_->movers) mover->Nudge();
    return std::string(pause ? "the sweep pauses; keys that clients ask for still move"
                             : "the sweep goes on");
  }
  return Error{ErrorCode::kInvalid,
               "say PLAN <file or text>, STATUS, PAUSE, RESUME, REVERSE, ABANDON [shard] or CLAIM"};
}

}  // namespace ringmaster
