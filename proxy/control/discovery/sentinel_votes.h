// Who is the primary of one group, by what its Sentinels answer. Pure policy: answers and times in,
// a decision out.
//
// An address is accepted when a majority of all configured Sentinels answers it, each lately and
// not in TILT. Its config-epoch is the highest that such a majority vouches for, so that one
// Sentinel alone can neither raise nor lower it. Another address than the accepted one takes a
// higher epoch: each failover raises it, and what is stale or split off has not heard of that.
//
// Owner: one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace ringmaster {

class SentinelVotes {
 public:
  struct Answer {
    Address address;
    uint64_t config_epoch = 0;
    bool tilt = false;
  };
  struct Primary {
    Address address;
    uint64_t config_epoch = 0;
    bool operator==(const Primary&) const = default;
  };
  // How long an answer counts from when it was asked for.
  static constexpr Duration kFresh = std::chrono::seconds(2);

  // `accepted`: what is known from before, if anything is.
  SentinelVotes(size_t sentinels, std::optional<Primary> accepted)
      : answers_(sentinels), accepted_(std::move(accepted)) {}

  // What a Sentinel answered to a question asked at `asked`, in place of its answer before;
  // nullopt: it does not know the group, or did not answer.
  void Hear(size_t sentinel, std::optional<Answer> answer, TimePoint asked);
  // The primary, when there is news: another address, or the same with a higher epoch.
  std::optional<Primary> Decide(TimePoint now);
  const std::optional<Primary>& accepted() const { return accepted_; }
  // Why no majority backs what is accepted; empty: one does.
  std::string Trouble(TimePoint now) const;

 private:
  struct Heard {
    std::optional<Answer> answer;
    TimePoint asked{};
  };
  size_t majority() const { return answers_.size() / 2 + 1; }
  bool Counts(const Heard& heard, TimePoint now) const {
    return heard.answer && !heard.answer->tilt && now - heard.asked <= kFresh;
  }
  std::optional<Primary> Majority(TimePoint now) const;

  std::vector<Heard> answers_;  // by Sentinel
  std::optional<Primary> accepted_;
};

}  // namespace ringmaster
