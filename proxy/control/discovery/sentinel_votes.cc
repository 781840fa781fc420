#include "control/discovery/sentinel_votes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace ringmaster {

void SentinelVotes::Hear(size_t sentinel, std::optional<Answer> answer, TimePoint asked) {
  answers_.at(sentinel) = {std::move(answer), asked};
}

// At most one address has one.
std::optional<SentinelVotes::Primary> SentinelVotes::Majority(TimePoint now) const {
  for (const Heard& candidate : answers_) {
    if (!Counts(candidate, now)) continue;
    std::vector<uint64_t> epochs;
    for (const Heard& heard : answers_) {
      if (!Counts(heard, now) || !(heard.answer->address == candidate.answer->address)) continue;
      epochs.push_back(heard.answer->config_epoch);
    }
    if (epochs.size() < majority()) continue;
    std::sort(epochs.begin(), epochs.end(), std::greater<>());
    return Primary{candidate.answer->address, epochs[majority() - 1]};
  }
  return std::nullopt;
}

std::optional<SentinelVotes::Primary> SentinelVotes::Decide(TimePoint now) {
  std::optional<Primary> said = Majority(now);
  if (!said) return std::nullopt;
  if (accepted_ && said->config_epoch <= accepted_->config_epoch) return std::nullopt;
  accepted_ = said;
  return said;
}

std::string SentinelVotes::Trouble(TimePoint now) const {
  const std::optional<Primary> said = Majority(now);
  if (said && accepted_ && said->address == accepted_->address) return "";
  if (said && accepted_) {
    return fmt::format("a majority says {} with config-epoch {}, which is not above {}",
                       said->address.ToString(), said->config_epoch, accepted_->config_epoch);
  }
  size_t fresh = 0;
  size_t tilt = 0;
  for (const Heard& heard : answers_) {
    const bool lately = heard.answer && now - heard.asked <= kFresh;
    fresh += lately ? 1 : 0;
    tilt += lately && heard.answer->tilt ? 1 : 0;
  }
  return fmt::format("no {} of {} Sentinels agree: {} answer, {} of them in TILT", majority(),
                     answers_.size(), fresh, tilt);
}

}  // namespace ringmaster
