// Which commands of a worker must wait while ranges move: the core, without I/O
// (docs/resharding.md). Commands are tokens; the owner keeps what belongs to them and carries out
// the actions.
//
//   kStable  no range moves
//   kFrozen  commands on keys of moving ranges wait, in their order
//   kMoving  the new owner serves; a key is brought there before its first command
//
// A command enters the queues of all its moving keys at once and runs when it is first in each and
// each key is here, so the commands on one key keep their order. Keys never leave the new owner
// while the state lasts: what is here stays here. Reads of one key run earlier: at the old owner
// while a large one is copied, for nobody changes it there, and at the new one as soon as that has
// it and only the old copy is still to go.
//
// Owner: a worker, on its thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "move/here_cache.h"

namespace ringmaster {

class MovingKeys {
 public:
  using Token = uint64_t;
  enum class State : uint8_t { kStable, kFrozen, kMoving };

  struct Key {
    int database;
    Bytes key;
  };
  struct Pull {
    int database;
    std::string key;
    bool operator==(const Pull&) const = default;
  };
  // kRead: reads one key, and does nothing else.
  enum class Access : uint8_t { kWrite, kRead };
  enum class Verdict : uint8_t { kRuns, kReadsOld, kWaits };
  // Where reads of a key go that is on its way.
  enum class Copy : uint8_t { kNone, kOld, kNew };
  // What the owner must do, in this order.
  struct Actions {
    std::vector<Pull> pulls;      // bring the key, then call OnHere or OnFailed; OnReadable before
    std::vector<Token> run;       // these waited and may go now, in this order
    std::vector<Token> read_old;  // and these, to the old owner
    std::vector<Token> fail;      // their key could not be brought: they surely did nothing
    bool empty() const { return pulls.empty() && run.empty() && read_old.empty() && fail.empty(); }
    void Clear() {
      pulls.clear();
      run.clear();
      read_old.clear();
      fail.clear();
    }
  };

  explicit MovingKeys(size_t here_capacity = 1U << 20, HereCache::NameOf name_of = KeyedHash128)
      : here_(here_capacity, name_of) {}

  State state() const { return state_; }
  // Commands that wait.
  size_t waiting() const { return held_.size(); }
  size_t known_here() const { return here_.size(); }

  void Freeze();
  // The freeze came to nothing: back to the state before it.
  void Thaw(Actions& out);
  // All workers are drained: what is asked from now on goes to the new owners. What was known to be
  // here is forgotten, for this is another move.
  void Switch(Actions& out);
  // Everything has arrived.
  void Settle(Actions& out);

  // A command that touches these keys of moving ranges: it runs at once, at the old owner maybe, or
  // it waits, and comes back by `run`, `read_old` or `fail`.
  Verdict Touch(Token token, const std::vector<Key>& keys, Access access, Actions& out);
  // Is it known that the key needs no pull and nobody waits for it? For what cannot wait.
  bool IsFree(int database, Bytes key) const;
  // Does somebody wait for the key to arrive? Not for the end of a freeze.
  bool IsAwaited(int database, Bytes key) const;
  // What distinguishes one state from another, for models.
  std::string Describe() const;
  // Where it may be read from now on. Before kNew, OnHere or OnFailed those reads must be answered
  // that went to the old owner: kNone ends them.
  void OnReadable(int database, Bytes key, Copy copy, Actions& out);
  void OnHere(int database, Bytes key, Actions& out);
  void OnFailed(int database, Bytes key, Actions& out);

 private:
  // There is one while somebody waits for the key, or it is on its way.
  struct Queue {
    std::deque<Token> tokens;
    bool here = false;
    bool pulling = false;
    Copy copy = Copy::kNone;
  };
  using Names = std::vector<std::string>;
  struct Waiting {
    Names names;
    Access access;
  };

  static std::string NameOf(int database, Bytes key);
  static Pull PullOf(const std::string& name);
  static Verdict ReadFrom(Copy copy);
  Verdict Judge(const Waiting& waiting) const;
  void Park(Token token, Waiting waiting, Actions& out);
  Verdict JudgeParked(Token token) const;
  void Leave(Token token, std::vector<std::string>& freed);
  void DropIfIdle(const std::string& name);
  void Advance(std::vector<std::string> names, Actions& out);
  void RunAll(Actions& out);
  void LookAgain(Actions& out);

  State state_ = State::kStable;
  State before_ = State::kStable;  // of a freeze
  HereCache here_;
  std::map<Token, Waiting> held_;  // tokens grow, so this is the order of arrival
  std::unordered_map<std::string, Queue> queues_;
};

}  // namespace ringmaster
