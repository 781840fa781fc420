// The clients of one worker that have more to say, and whose turn it is. In one turn a client gets
// a quantum of commands and of bytes, then it goes behind the others. One that took more than its
// quantum (a huge command cannot be cut) owes the rest and pays in its next turns: deficit round
// robin (Shreedhar and Varghese, SIGCOMM 1995). One that did not use up its last turn goes first,
// once in each round, like FQ-CoDel's new flows (RFC 8290 section 4.2): a lone GET waits for no
// backlog, and cannot starve it.
//
// A client that becomes readable asks Enter, and is served at once when that says yes. At the end
// of each loop turn comes NewTurn, then whoever Next hands out is served until it is nullptr. A
// client that is being served is in no list: it says Charge for each command, and in the end Yield
// when it has more to say, or nothing when it has not. All is O(1) and allocates nothing; a debt
// costs one step for each quantum of it.
//
// Owner: the worker, one thread. Clients are borrowed, and Leave before they die.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/intrusive_list.h"

namespace ringmaster {

struct RoundRobinRule {
  uint32_t commands = 32;      // of one turn
  uint32_t bytes = 64U << 10;  // of one turn
  uint32_t loop_turn = 512;    // commands from the line before the sockets are looked at again
  // Times as many while nobody is interactive.
  uint32_t unhurried_commands = 16;
  uint32_t unhurried_loop_turn = 4;
  uint32_t debt = 64;  // quanta that one command can cost at most; the rest is forgiven
  bool operator==(const RoundRobinRule&) const = default;
};

// A client's place and account. Clients derive from it.
class TurnTaker : public ListHook<TurnTaker> {
 public:
  bool waits_for_turn() const { return ListHook<TurnTaker>::linked(); }

 private:
  template <typename Client>
  friend class RoundRobin;
  template <typename Client>
  friend class BulkLimiter;
  enum class Gate : uint8_t { kOutside, kWaits, kInside };  // schedule/bulk_limiter.h
  uint64_t paid_in_ = 0;    // the last round whose quantum is on the account; 0: none yet
  uint64_t joined_in_ = 0;  // the round in which it joined the backlog
  int64_t commands_ = 0;    // left of this turn; below zero: owed
  int64_t bytes_ = 0;
  bool hungry_ = false;  // used up its last turn
  Gate gate_ = Gate::kOutside;
};

template <typename Client>
class RoundRobin {
 public:
  explicit RoundRobin(const RoundRobinRule& rule = {}) : rule_(rule) {}

  // The client has something to say. True: its turn has begun. False: it waits in line.
  // REQUIRES: it is not being served.
  bool Enter(Client& client) {
    TurnTaker& taker = client;
    if (taker.waits_for_turn()) return false;
    if (empty()) {
      Forgive(taker);
      return true;
    }
    if (fresh(taker) && Pay(taker)) return true;
    JoinBacklog(client);
    return false;
  }

  // The same for who cannot be served at once.
  void Wake(Client& client) {
    const TurnTaker& taker = client;
    if (taker.waits_for_turn()) return;
    if (!fresh(taker)) return JoinBacklog(client);
    fresh_.PushBack(client);
  }

  // One command of the turn, or one that fans out to several shards. False: that was the last.
  bool Charge(Client& client, uint64_t bytes, uint32_t commands = 1) {
    TurnTaker& taker = client;
    left_in_loop_turn_ -= commands;
    taker.commands_ -= std::min<int64_t>(commands, Most(rule_.commands));
    taker.bytes_ -= static_cast<int64_t>(std::min<uint64_t>(bytes, Most(rule_.bytes)));
    taker.hungry_ = taker.commands_ <= 0 || taker.bytes_ <= 0;
    return !taker.hungry_;
  }

  // Its turn is over and it has more to say: behind all others.
  void Yield(Client& client) {
    if (!static_cast<TurnTaker&>(client).waits_for_turn()) JoinBacklog(client);
  }

  // It has nothing to say any more, or is gone. What it owes it still owes.
  void Leave(Client& client) {
    const TurnTaker& taker = client;
    if (taker.waits_for_turn() && taker.gate_ != TurnTaker::Gate::kWaits) List::Remove(client);
  }

  // Unhurried: nobody was interactive lately, so longer turns make nobody wait, and each write to a
  // shard carries more.
  void NewTurn(bool unhurried = false) {
    left_in_loop_turn_ = int64_t{rule_.loop_turn} * (unhurried ? rule_.unhurried_loop_turn : 1);
    quantum_ = int64_t{rule_.commands} * (unhurried ? rule_.unhurried_commands : 1);
  }

  // Takes the next one out of the line; its turn has begun. nullptr: nobody waits, or it is time to
  // look at the sockets again.
  Client* Next() {
    if (left_in_loop_turn_ <= 0) return nullptr;
    while (Client* client = fresh_.PopFront()) {
      if (Pay(*client)) return client;
      JoinBacklog(*client);
    }
    while (Client* client = backlog_.PopFront()) {
      // All that joined in earlier rounds have had their turn.
      if (static_cast<TurnTaker*>(client)->joined_in_ == round_) ++round_;
      if (backlog_.empty()) {
        Forgive(*client);
        return client;
      }
      if (Pay(*client)) return client;
      JoinBacklog(*client);
    }
    ++round_;
    return nullptr;
  }

  bool empty() const { return fresh_.empty() && backlog_.empty(); }
  const RoundRobinRule& rule() const { return rule_; }
  // From the next turn on.
  void set_rule(const RoundRobinRule& rule) { rule_ = rule; }

 private:
  using List = IntrusiveList<Client, TurnTaker>;

  bool fresh(const TurnTaker& taker) const { return taker.paid_in_ != round_ && !taker.hungry_; }

  void JoinBacklog(Client& client) {
    static_cast<TurnTaker&>(client).joined_in_ = round_;
    backlog_.PushBack(client);
  }

  int64_t Most(uint32_t quantum) const {
    return (static_cast<int64_t>(rule_.debt) + 1) * static_cast<int64_t>(quantum);
  }

  // Puts the quanta of the rounds since the last time on the account, also of those in which the
  // client was quiet. True: it is served.
  bool Pay(TurnTaker& taker) {
    const auto rounds = static_cast<int64_t>(
        std::min<uint64_t>(round_ - taker.paid_in_, static_cast<uint64_t>(rule_.debt) + 2));
    taker.paid_in_ = round_;
    taker.commands_ = std::min(quantum_, taker.commands_ + rounds * quantum_);
    taker.bytes_ = std::min<int64_t>(rule_.bytes, taker.bytes_ + rounds * rule_.bytes);
    const bool served = taker.commands_ > 0 && taker.bytes_ > 0;
    if (served) taker.hungry_ = false;
    return served;
  }

  // Nobody else waits, so nobody is hurt by what this one owes.
  void Forgive(TurnTaker& taker) {
    taker.paid_in_ = round_;
    taker.commands_ = quantum_;
    taker.bytes_ = rule_.bytes;
    taker.hungry_ = false;
  }

  RoundRobinRule rule_;
  int64_t quantum_ = rule_.commands;  // of this loop turn
  List fresh_;
  List backlog_;
  uint64_t round_ = 1;
  int64_t left_in_loop_turn_ = 0;
};

}  // namespace ringmaster
