// Large values beside interactive clients: few pass at a time, the others wait in order of arrival,
// so that there is always processor time left for a short command. Without interactive clients
// everybody passes.
//
// A client that takes its value slowly does not hold up the others for long: one more is let in
// whenever nobody was for `patience`. A client that waits is in no line of RoundRobin; it uses the
// same place in its TurnTaker.
//
// Owner: the worker, one thread. Clients are borrowed, and Leave before they die.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/intrusive_list.h"
#include "schedule/round_robin.h"

namespace ringmaster {

struct TransferRule {
  uint64_t large = 128U << 10;  // bytes of a command and its reply
  size_t at_once = 1;
  Duration patience = std::chrono::milliseconds(5);
  bool operator==(const TransferRule&) const = default;
};

template <typename Client>
class BulkLimiter {
 public:
  explicit BulkLimiter(const TransferRule& rule = {}) : rule_(rule) {}

  // True: it may pass, and says Leave when its values are through. False: it waits for Next.
  // `contended`: there are interactive clients. REQUIRES: it does not wait here.
  bool Enter(Client& client, bool contended, TimePoint now) {
    TurnTaker& taker = client;
    if (taker.gate_ == TurnTaker::Gate::kInside) return true;
    if (contended && !HasRoom(now)) {
      // A reply that came at once may have put it in line during its own turn.
      if (taker.waits_for_turn()) List::Remove(client);
      taker.gate_ = TurnTaker::Gate::kWaits;
      waiting_.PushBack(client);
      return false;
    }
    LetIn(taker, now);
    return true;
  }

  // Whoever may pass now, one by one; it is inside already. nullptr: nobody.
  Client* Next(TimePoint now) {
    if (waiting_.empty() || !HasRoom(now)) return nullptr;
    Client* client = waiting_.PopFront();
    LetIn(*client, now);
    return client;
  }

  // Its values are through, or it is gone. Harmless for one that is not here.
  void Leave(Client& client) {
    TurnTaker& taker = client;
    if (taker.gate_ == TurnTaker::Gate::kWaits) List::Remove(client);
    if (taker.gate_ == TurnTaker::Gate::kInside) --inside_;
    taker.gate_ = TurnTaker::Gate::kOutside;
  }

  bool Waits(const Client& client) const {
    return static_cast<const TurnTaker&>(client).gate_ == TurnTaker::Gate::kWaits;
  }
  bool Inside(const Client& client) const {
    return static_cast<const TurnTaker&>(client).gate_ == TurnTaker::Gate::kInside;
  }
  bool anybody_waits() const { return !waiting_.empty(); }
  const TransferRule& rule() const { return rule_; }

 private:
  using List = IntrusiveList<Client, TurnTaker>;

  bool HasRoom(TimePoint now) const {
    return inside_ < rule_.at_once || now - let_in_at_ >= rule_.patience;
  }
  void LetIn(TurnTaker& taker, TimePoint now) {
    taker.gate_ = TurnTaker::Gate::kInside;
    ++inside_;
    let_in_at_ = now;
  }

  const TransferRule rule_;
  List waiting_;
  size_t inside_ = 0;
  TimePoint let_in_at_{};
};

}  // namespace ringmaster
