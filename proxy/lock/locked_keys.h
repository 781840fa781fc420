// Which commands of a worker must wait because their keys are locked: the core, without I/O
// (docs/sagas.md). What KeyLocks grants for the whole pool is carried out here, on each worker.
//
// Commands are tokens, locks are tickets; both stand in one line for each key, in the order in
// which they came to this worker. A command goes when nothing before it in any of its lines stands
// in its way, and is forgotten then; two that only read do not stand in each other's way. A ticket
// is first when no command waits before it. So the commands on one key keep their order, and
// nobody waits in a circle: lines are in the order of arrival, and tickets arrive on every worker
// in the order in which KeyLocks let them.
//
// Owner: a worker, on its thread.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "lock/key_locks.h"

namespace ringmaster {

class LockedKeys {
 public:
  using Token = uint64_t;

  struct Key {
    int database;
    Bytes key;
  };
  // What the owner must do, in this order.
  struct Actions {
    std::vector<LockTicket> first;  // acknowledge when what is under way on its keys is answered
    std::vector<Token> run;         // these waited and may go now, in this order
    bool empty() const { return first.empty() && run.empty(); }
  };

  // Nothing is locked, nobody waits.
  bool empty() const { return lines_.empty(); }
  // Commands that wait.
  size_t waiting() const { return tokens_.size(); }

  // Each ticket once; its keys are unlike each other.
  void Lock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out);
  // Unknown ones are ignored.
  void Unlock(LockTicket ticket, const std::vector<LockKey>& keys, Actions& out);

  // A command that touches these keys. True: it may run at once. False: it waits, and comes back in
  // `run`.
  bool Touch(Token token, const std::vector<Key>& keys, bool reads_only);
  // It waits no more. Unknown ones are ignored.
  void Forget(Token token, Actions& out);
  // The locks that stand before it. None: unknown.
  std::vector<LockTicket> TicketsBefore(Token token) const;
  // Would Touch say so? For what cannot wait.
  bool IsFree(int database, Bytes key, bool reads_only) const;

 private:
  struct Entry {
    uint64_t id;
    bool ticket;
    bool shared;
    bool clear;  // nothing before it in this line stands in its way
  };
  // Hardly ever more than one, and rarely a million: a vector whose front costs nothing to take.
  class Line {
   public:
    std::span<Entry> entries() { return std::span(entries_).subspan(first_); }
    std::span<const Entry> entries() const { return std::span(entries_).subspan(first_); }
    void Add(const Entry& entry) { entries_.push_back(entry); }
    void Remove(size_t index);

   private:
    std::vector<Entry> entries_;
    size_t first_ = 0;
  };
  struct Waiter {
    std::vector<std::string> names;
    size_t blocked = 0;  // lines in which it is not clear
  };

  const std::string& NameOf(int database, Bytes key) const;
  static bool Enter(Line& line, Entry entry);
  void Leave(const std::string& name, uint64_t id, bool ticket, Actions& out);
  void Clear(Entry& entry, Actions& out);
  void RunReady(Actions& out);

  std::unordered_map<std::string, Line> lines_;
  std::unordered_map<Token, Waiter> tokens_;
  // Not first yet: lines in which they are not clear.
  std::unordered_map<LockTicket, size_t> tickets_;
  std::deque<Token> ready_;   // to be run
  mutable std::string name_;  // what NameOf gave last
};

}  // namespace ringmaster
