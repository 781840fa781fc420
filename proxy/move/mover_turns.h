// One mover's side of the pace: when it may work, and how much of what it asks a shard for fits
// into the time that it may keep the shard.
//
// Owner: the mover; on its thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "move/move_pacer.h"
#include "schedule/grain.h"

namespace ringmaster {

class MoverTurns {
 public:
  // `pacer` outlives it and knows this mover by `number`.
  MoverTurns(MovePacer& pacer, size_t number, size_t shards)
      : pacer_(pacer), number_(number), round_trips_(shards) {}

  // Zero: it may work, as the functions below say. Otherwise how long to rest before it asks again.
  // `urgent`: a client waits for what it works at.
  Duration Take(bool urgent) {
    const MovePace::Turn turn = pacer_.Ask(number_, urgent);
    if (turn.what == MovePace::Do::kWait) return turn.wait;
    turn_ = turn;
    return Duration(0);
  }
  void OnStep(Duration took) { pacer_.OnStep(took); }

  // No client is there.
  bool alone() const { return turn_.grain == Duration(0); }
  // Of this part of the cycle.
  Duration left() const { return turn_.left; }
  // As much as may be asked for at once; `most` when nobody is there.
  uint64_t Keys(uint64_t least, uint64_t most) const { return Amount(keys_, least, most); }
  uint64_t Scanned(uint64_t least, uint64_t most) const { return Amount(scanned_, least, most); }
  uint64_t Elements(uint64_t least, uint64_t most) const { return Amount(elements_, least, most); }
  uint64_t Bytes(uint64_t least, uint64_t most) const { return Amount(bytes_, least, most); }
  Duration TimeOfKeys(uint64_t keys) const { return keys_.Time(keys); }

  // What was asked for took so long, answer and all, with nothing else under way on that shard.
  void OnKeys(uint32_t shard, uint64_t count, Duration took) { Learn(keys_, shard, count, took); }
  void OnScanned(uint32_t shard, uint64_t count, Duration took) {
    Learn(scanned_, shard, count, took);
  }
  void OnElements(uint32_t shard, uint64_t count, Duration took) {
    Learn(elements_, shard, count, took);
  }
  void OnBytes(uint32_t shard, uint64_t count, Duration took) { Learn(bytes_, shard, count, took); }

  // Whether to ask a shard for next to nothing now, once in each turn.
  bool TakeProbe() { return std::exchange(turn_.probe, false); }
  void OnRoundTrip(uint32_t shard, Duration took) {
    Duration& least = round_trips_[shard];
    least = least == Duration(0) ? took : std::min(took, least + least / 64);
    pacer_.OnRoundTrip(shard, took);
  }

 private:
  uint64_t Amount(const Grain& of, uint64_t least, uint64_t most) const {
    return alone() ? most : of.Amount(turn_.grain, std::min(least, most), most);
  }
  void Learn(Grain& of, uint32_t shard, uint64_t count, Duration took) const {
    if (round_trips_[shard] > Duration(0)) of.OnRequest(count, took, round_trips_[shard]);
  }

  MovePacer& pacer_;
  const size_t number_;
  MovePace::Turn turn_;
  // With guesses at a shard's nanoseconds for one.
  Grain keys_{3000};
  Grain scanned_{200};
  Grain elements_{300};
  Grain bytes_{1};
  std::vector<Duration> round_trips_;  // the shortest, by shard; zero: not known
};

}  // namespace ringmaster
