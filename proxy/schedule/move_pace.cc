#include "schedule/move_pace.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace ringmaster {
namespace {

// While nobody is there: how soon a client is noticed.
constexpr Duration kLookEvery = std::chrono::milliseconds(5);
constexpr Duration kSettle = std::chrono::milliseconds(1);
// What is under way when the first client comes is more than a grain.
constexpr Duration kSettleFirst = std::chrono::milliseconds(3);
constexpr Duration kFirstQuiet = std::chrono::milliseconds(20);
// A mover that was told when to ask and does not is not waited for.
constexpr Duration kLateMover = std::chrono::milliseconds(2);
constexpr double kUrgentShare = 0.25;

// The quiet parts that count as the past: at least so long and so many commands, and then as much
// again.
constexpr Duration kGeneration = std::chrono::seconds(1);
constexpr uint64_t kGenerationCommands = 200;
constexpr Duration kGenerationAtMost = std::chrono::seconds(10);
constexpr uint64_t kKnown = 50;   // commands that make a p99
constexpr double kUnsure = 1.65;  // standard deviations: one time in twenty it is slower still
constexpr double kMemory = 1;     // seconds

constexpr uint64_t kEnough = 20;  // commands beside a mover before it grows, or
constexpr Duration kDecideEvery = std::chrono::milliseconds(250);
constexpr double kFaster = 1.5;      // up to the first harm
constexpr double kAfterwards = 1.1;  // from then on
// Around the share that did harm: from so much of it on, until it is passed by so much.
constexpr double kCareful = 1.06;
constexpr double kCarefulFrom = 0.6;
constexpr double kCarefulTo = 1.5;
constexpr double kCoarser = 1.25;
constexpr double kFiner = 0.7;
constexpr double kLess = 0.6;          // of the share, after harm
constexpr double kLateAtMost = 0.005;  // of all commands; the rest of one in a hundred is chance
// A shard is crowded when its answers take so many times what they can, and this much.
constexpr int kCrowded = 5;
constexpr Duration kCrowdedSlack = std::chrono::microseconds(500);
constexpr double kEase = 0.8;
constexpr double kEaseTo = 0.1;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

Duration Scale(Duration duration, double by) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * by));
}

uint64_t CountOf(std::span<const MovePace::Latency> latencies) {
  uint64_t commands = 0;
  for (const MovePace::Latency& each : latencies) commands += each.commands;
  return commands;
}

}  // namespace

MovePace::MovePace(const MovePaceRule& rule, size_t movers)
    : rule_(rule), share_(0), asked_share_(0), grain_(rule.first_grain), movers_(movers) {
  share_ = std::max(rule.first, rule.floor);
  asked_share_ = share_;
}

void MovePace::set_floor(double floor) {
  rule_.floor = floor;
  share_ = std::max(share_, floor);
}

MovePace::Turn MovePace::Ask(size_t mover, bool urgent, TimePoint now) {
  RM_CHECK(mover < movers_.size());
  if (part_began_ == TimePoint::min()) {
    // Nothing is known yet: whoever is there shows within this time.
    part_began_ = looked_at_ = now;
    part_ends_ = now + kFirstQuiet;
  }
  switch (part_) {
    case Part::kAlone:
      return AskAlone(now);
    case Part::kWorking:
      return AskWorking(mover, urgent, now);
    case Part::kSettling:
    case Part::kQuiet:
      if (now < part_ends_) return WaitUntil(mover, part_ends_, now);
      return {.what = Do::kLook};
    case Part::kReady:
      break;
  }
  if (!IsNext(mover, now)) return WaitUntil(mover, now + kLateMover / 2, now);
  Open(mover, urgent, now);
  return {.what = Do::kWork, .left = part_ends_ - now, .grain = grain_, .probe = true};
}

MovePace::Turn MovePace::AskAlone(TimePoint now) {
  if (now - looked_at_ >= kLookEvery) return {.what = Do::kLook};
  return {.what = Do::kWork, .left = rule_.cycle};
}

MovePace::Turn MovePace::AskWorking(size_t mover, bool urgent, TimePoint now) {
  if (now >= part_ends_ || worked_ >= Scale(rule_.cycle, asked_share_)) {
    if (urgent && mover == owner_) asked_share_ = std::max(asked_share_, kUrgentShare);
    Settle(kSettle, now);
    return WaitUntil(mover, part_ends_, now);
  }
  if (mover != owner_) return WaitUntil(mover, part_ends_, now);
  return {.what = Do::kWork, .left = part_ends_ - now, .grain = grain_};
}

MovePace::Turn MovePace::WaitUntil(size_t mover, TimePoint then, TimePoint now) {
  movers_[mover].due = then;
  return {.what = Do::kWait, .wait = std::max(then - now, Duration(1))};
}

// Whose last turn is the longest ago, of those that want one.
bool MovePace::IsNext(size_t mover, TimePoint now) const {
  const TimePoint mine = movers_[mover].last_turn;
  return std::none_of(movers_.begin(), movers_.end(), [&](const Member& other) {
    const bool waits = other.due != TimePoint::min() && now < other.due + kLateMover;
    return waits && other.last_turn < mine;
  });
}

void MovePace::Open(size_t mover, bool urgent, TimePoint now) {
  asked_share_ = urgent ? std::max(share_, kUrgentShare) : share_;
  part_ = Part::kWorking;
  part_began_ = now;
  part_ends_ = now + Scale(rule_.cycle, asked_share_);
  owner_ = mover;
  movers_[mover].due = TimePoint::min();
  movers_[mover].last_turn = now;
}

void MovePace::Settle(Duration time, TimePoint now) {
  part_ = Part::kSettling;
  part_ends_ = now + time;
}

// So long that the work has its share of the cycle.
void MovePace::BeginQuiet(TimePoint now) {
  const Duration rest = Scale(worked_, 1 / asked_share_) - (now - part_began_);
  worked_ = Duration(0);
  part_ = Part::kQuiet;
  part_ends_ = now + std::clamp(rest, rule_.least_quiet, rule_.most_quiet);
}

// Nothing that was known of others holds for these.
void MovePace::MeetClients(TimePoint now) {
  share_ = std::max(rule_.first, rule_.floor);
  asked_share_ = share_;
  grain_ = rule_.first_grain;
  harmed_at_ = 0;
  past_.clear();
  older_.clear();
  past_commands_ = older_commands_ = fresh_ = 0;
  past_since_ = decided_at_ = now;
  past_p99_ = 0;
  quiet_ = working_ = Seen();
  worked_ = Scale(kFirstQuiet, share_);
  part_began_ = now;
  Settle(kSettleFirst, now);
}

void MovePace::OnLatencies(std::span<const Latency> latencies, TimePoint now) {
  const uint64_t commands = CountOf(latencies);
  const bool known = commands_at_ != TimePoint::min() && now - commands_at_ < rule_.alone_after;
  if (commands > 0) {
    commands_at_ = now;
    if (!known && part_ != Part::kQuiet) {
      MeetClients(now);
      looked_at_ = now;
      return;
    }
  } else if (!known) {
    part_ = Part::kAlone;
    worked_ = Duration(0);
    looked_at_ = now;
    return;
  }
  if (part_ == Part::kSettling) {
    Count(latencies, commands, working_, now);
    BeginQuiet(now);
  } else if (part_ == Part::kQuiet) {
    if (past_since_ == TimePoint::min()) past_since_ = decided_at_ = looked_at_;
    LearnPast(latencies, now);
    Count(latencies, commands, quiet_, now);
    Decide(now);
    part_ = Part::kReady;
  }
  looked_at_ = now;
}

void MovePace::LearnPast(std::span<const Latency> latencies, TimePoint now) {
  const Duration age = now - past_since_;
  if ((age >= kGeneration && past_commands_ >= kGenerationCommands) || age >= kGenerationAtMost) {
    older_.swap(past_);
    past_.clear();
    older_commands_ = std::exchange(past_commands_, 0);
    past_since_ = now;
  }
  for (const Latency& each : latencies) {
    const auto at =
        std::lower_bound(past_.begin(), past_.end(), each,
                         [](const Latency& a, const Latency& b) { return a.micros < b.micros; });
    if (at != past_.end() && at->micros == each.micros) {
      at->commands += each.commands;
    } else {
      past_.insert(at, each);
    }
    past_commands_ += each.commands;
  }
  const uint64_t all = past_commands_ + older_commands_;
  past_p99_ = 0;
  if (all < kKnown) return;
  // From the slowest on, until one in a hundred is passed; of few commands less, for their p99 is
  // likely to be slower than what is seen of it.
  const double tail = static_cast<double>(all) / 100;
  auto left = static_cast<uint64_t>(std::max(tail - kUnsure * std::sqrt(tail), 0.0));
  auto a = past_.rbegin();
  auto b = older_.rbegin();
  while (a != past_.rend() || b != older_.rend()) {
    auto& next = b == older_.rend() || (a != past_.rend() && a->micros >= b->micros) ? a : b;
    past_p99_ = std::max(next->micros, 1U);
    if (next->commands > left) return;
    left -= next->commands;
    ++next;
  }
}

void MovePace::Count(std::span<const Latency> latencies, uint64_t commands, Seen& seen,
                     TimePoint now) {
  const Duration span = now - looked_at_;
  const double age = std::exp(-Seconds(span) / kMemory);
  quiet_.Age(age);
  working_.Age(age);
  seen.seconds += Seconds(span);
  seen.commands += static_cast<double>(commands);
  if (&seen == &working_) fresh_ += commands;
  if (past_p99_ == 0) return;
  const double late = past_p99_ * rule_.tail + static_cast<double>(Microseconds(rule_.tail_slack));
  for (const Latency& each : latencies) {
    if (each.micros > late) seen.late += each.commands;
  }
}

void MovePace::Decide(TimePoint now) {
  const bool harm = MakesLate() || SlowsDown();
  if (!harm && fresh_ < kEnough && now - decided_at_ < kDecideEvery) return;
  fresh_ = 0;
  decided_at_ = now;
  if (harm) {
    Shrink();
  } else if (Crowded()) {
    share_ = std::max({rule_.floor, std::min(share_, kEaseTo), share_ * kEase});
  } else {
    Grow();
  }
}

// More late commands in working parts than there would be without, by so much that too many of all
// are. Twice what chance does is no proof.
bool MovePace::MakesLate() const {
  if (past_p99_ == 0 || quiet_.commands < 1) return false;
  const double scale = working_.commands / quiet_.commands;
  const double expected = scale * quiet_.late + working_.commands * kLateAtMost / share_;
  const double chance = expected + scale * scale * quiet_.late;
  return working_.late > expected + 2 * std::sqrt(chance) + 1;
}

bool MovePace::SlowsDown() const {
  if (quiet_.commands < 1 || working_.commands < 1 || quiet_.seconds <= 0) return false;
  const double lost = quiet_.rate() - working_.rate();
  const double chance =
      std::sqrt(quiet_.commands) / quiet_.seconds + std::sqrt(working_.commands) / working_.seconds;
  return lost > 3 * chance && share_ * lost > rule_.loss * quiet_.rate();
}

void MovePace::OnRoundTrip(uint32_t shard, Duration took) {
  if (trips_.size() <= shard) trips_.resize(shard + 1);
  Trips& trips = trips_[shard];
  // What was possible once may not be for ever.
  const Duration forgotten = trips.least + trips.least / 64 + Duration(1);
  trips.least = trips.count == 0 ? took : std::min(took, forgotten);
  trips.last[trips.count++ % Trips::kKept] = took;
}

// By the middle one of its last answers: others have its time already.
bool MovePace::Crowded() const {
  return std::any_of(trips_.begin(), trips_.end(), [](const Trips& trips) {
    if (trips.count < Trips::kKept) return false;
    auto last = trips.last;
    std::nth_element(last.begin(), last.begin() + Trips::kKept / 2, last.end());
    return last[Trips::kKept / 2] > kCrowded * trips.least + kCrowdedSlack;
  });
}

void MovePace::Grow() {
  const double most = busiest_ >= rule_.saturated ? rule_.saturated_share : rule_.most;
  if (share_ < most) {
    const bool near = share_ > kCarefulFrom * harmed_at_ && share_ < kCarefulTo * harmed_at_;
    share_ *= near ? kCareful : harmed_at_ > 0 ? kAfterwards : kFaster;
    share_ = std::min(share_, most);
  } else if (share_ >= rule_.most) {
    grain_ = std::min(Scale(grain_, kCoarser), rule_.most_grain);
  }
}

void MovePace::Shrink() {
  harmed_at_ = share_;
  share_ = std::max(share_ * kLess, rule_.floor);
  grain_ = std::max(Scale(grain_, kFiner), rule_.least_grain);
  working_ = Seen();
}

}  // namespace ringmaster
