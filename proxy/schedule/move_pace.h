// How fast keys may move: what the movers of one move do beside clients, by what these feel.
//
// While no client is there all movers work as fast as they can. Otherwise time is cut into cycles:
// a working part, in which one mover has the turn, and a quiet part in which nobody moves anything.
// Latencies of both parts are compared, so whatever else happens to clients (their own load, slow
// shards, other work on the machine) is in both and is not taken for the movers' doing. Harm is
// either of:
//   - of all commands more than one in a hundred takes longer than the p99 of the quiet parts and
//     somewhat: clients' p99 leaves its own recent past;
//   - clients get less done in working parts than in quiet ones, by more than a bounded share of
//     all: they use up what the machine has.
// With harm the share of time is cut, and so is what one request may keep a shard busy; without
// it the share grows, and when it is at its most the requests do (additive increase,
// multiplicative decrease, faster up to the first harm). It does not grow while a worker has no
// processor time to spare, or a shard takes far longer to answer than it can. `floor` is always
// granted, so that a move ends under any load.
//
// Sans-I/O: every TimePoint, latency and round trip is handed in. One thread at a time. Movers are
// told apart by numbers from 0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

struct MovePaceRule {
  double floor = 0.05;  // of the time, for all movers together, beside any load
  double most = 0.9;    // beside clients: the rest is for comparing
  double first = 0.25;  // until something is known
  Duration cycle = std::chrono::milliseconds(40);
  Duration least_quiet = std::chrono::milliseconds(4);
  Duration most_quiet = std::chrono::milliseconds(250);   // after a step that was not small
  Duration alone_after = std::chrono::milliseconds(250);  // without a command
  // How long one request may keep a shard: at first, beside any load, and beside calm clients.
  Duration first_grain = std::chrono::microseconds(100);
  Duration least_grain = std::chrono::microseconds(80);
  Duration most_grain = std::chrono::microseconds(500);
  double tail = 1.3;  // times the quiet p99: what takes longer counts as late
  Duration tail_slack = std::chrono::microseconds(100);
  double loss = 0.06;            // of what clients get done, at most
  double saturated = 0.95;       // share of a worker's time from which it has nothing to spare
  double saturated_share = 0.2;  // up to which the share grows all the same
};

class MovePace {
 public:
  // Commands of clients that took at most so long, and longer than those before.
  struct Latency {
    uint32_t micros;
    uint32_t commands;
  };

  MovePace(const MovePaceRule& rule, size_t movers);

  enum class Do : uint8_t {
    kLook,  // OnLatencies first, then ask again
    kWait,
    kWork,
  };
  struct Turn {
    Do what = Do::kWait;
    Duration wait{};     // kWait: then ask again, or earlier
    Duration left{};     // kWork: of this part; a step that is longer makes the quiet part longer
    Duration grain{};    // kWork: how long one request should keep a shard; zero: nobody is there
    bool probe = false;  // kWork: the first of its part; see OnRoundTrip
  };
  // What this mover may do now. `urgent`: a client waits for what it does, which has a quarter of
  // the time at least.
  Turn Ask(size_t mover, bool urgent, TimePoint now);
  // What was recorded since the last call, in ascending order. REQUIRES: Ask said kLook.
  void OnLatencies(std::span<const Latency> latencies, TimePoint now);
  // A step of a mover: what it had a turn for. Also what is done for clients that wait for their
  // keys counts as time of the movers.
  void OnStep(Duration took) { worked_ += took; }
  // What a shard took to answer next to nothing, with nothing else of ours under way.
  void OnRoundTrip(uint32_t shard, Duration took);
  // The busiest worker's share of time in which it did not sleep.
  void OnBusiest(double share) { busiest_ = share; }
  void set_floor(double floor);

  bool alone() const { return part_ == Part::kAlone; }
  double share() const { return share_; }
  Duration grain() const { return grain_; }
  Duration past_p99() const { return std::chrono::microseconds(past_p99_); }

 private:
  // kSettling: work has ended, and commands that it made late are still to be answered. kReady: the
  // quiet part has been looked at, and whose turn it is may work.
  enum class Part : uint8_t { kAlone, kWorking, kSettling, kQuiet, kReady };
  struct Member {
    TimePoint due = TimePoint::min();  // it was told to wait until then; min: it does not wait
    TimePoint last_turn = TimePoint::min();
  };
  // Commands in working or in quiet parts, the last second or so weighing most.
  struct Seen {
    double commands = 0;
    double late = 0;
    double seconds = 0;
    double rate() const { return commands / seconds; }
    void Age(double by) { commands *= by, late *= by, seconds *= by; }
  };
  struct Trips {
    static constexpr size_t kKept = 9;
    std::array<Duration, kKept> last{};
    size_t count = 0;
    Duration least{};
  };

  Turn AskAlone(TimePoint now);
  Turn AskWorking(size_t mover, bool urgent, TimePoint now);
  Turn WaitUntil(size_t mover, TimePoint then, TimePoint now);
  bool IsNext(size_t mover, TimePoint now) const;
  void Open(size_t mover, bool urgent, TimePoint now);
  void Settle(Duration time, TimePoint now);
  void BeginQuiet(TimePoint now);
  void MeetClients(TimePoint now);
  void LearnPast(std::span<const Latency> latencies, TimePoint now);
  void Count(std::span<const Latency> latencies, uint64_t commands, Seen& seen, TimePoint now);
  void Decide(TimePoint now);
  bool MakesLate() const;
  bool SlowsDown() const;
  bool Crowded() const;
  void Grow();
  void Shrink();

  MovePaceRule rule_;
  Part part_ = Part::kQuiet;
  double share_;
  double asked_share_;  // of this cycle: more when it is urgent
  Duration grain_;
  double harmed_at_ = 0;  // the last share that did harm since clients came; 0: none did
  std::vector<Member> movers_;
  size_t owner_ = 0;  // of the working part
  TimePoint part_began_ = TimePoint::min();
  TimePoint part_ends_ = TimePoint::min();  // a working part: at the latest
  TimePoint looked_at_ = TimePoint::min();
  TimePoint commands_at_ = TimePoint::min();  // when some were last seen
  TimePoint decided_at_ = TimePoint::min();
  Duration worked_{};  // and not rested for
  double busiest_ = 0;
  std::vector<Trips> trips_;  // by shard

  // Of the quiet parts, in two generations: the last seconds.
  std::vector<Latency> past_;
  std::vector<Latency> older_;
  uint64_t past_commands_ = 0;
  uint64_t older_commands_ = 0;
  TimePoint past_since_ = TimePoint::min();
  uint32_t past_p99_ = 0;  // microseconds; 0: not known
  Seen quiet_;
  Seen working_;
  uint64_t fresh_ = 0;  // commands in working parts since the last decision
};

}  // namespace ringmaster
