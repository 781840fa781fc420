#include "move/moving_keys.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/planted.h"

namespace ringmaster {

std::string MovingKeys::NameOf(int database, Bytes key) {
  std::string name(sizeof(database), '\0');
  std::memcpy(name.data(), &database, sizeof(database));
  return name.append(key);
}

MovingKeys::Pull MovingKeys::PullOf(const std::string& name) {
  Pull pull{0, name.substr(sizeof(int))};
  std::memcpy(&pull.database, name.data(), sizeof(int));
  return pull;
}

void MovingKeys::Freeze() {
  if (state_ == State::kFrozen) return;
  before_ = std::exchange(state_, State::kFrozen);
}

void MovingKeys::Thaw(Actions& out) {
  if (state_ != State::kFrozen) return;
  state_ = before_;
  if (state_ == State::kStable) return RunAll(out);
  LookAgain(out);
}

void MovingKeys::Switch(Actions& out) {
  state_ = State::kMoving;
  if (!Planted("here-of-the-move-before")) here_.Clear();
  LookAgain(out);
}

void MovingKeys::Settle(Actions& out) {
  state_ = State::kStable;
  if (!Planted("here-of-the-move-before")) here_.Clear();
  RunAll(out);
}

void MovingKeys::RunAll(Actions& out) {
  for (const auto& [token, waiting] : held_) out.run.push_back(token);
  held_.clear();
  queues_.clear();
}

// As if all who wait came anew, in their order.
void MovingKeys::LookAgain(Actions& out) {
  const std::map<Token, Waiting> held = std::exchange(held_, {});
  queues_.clear();
  for (const auto& [token, waiting] : held) {
    if (Judge(waiting) == Verdict::kRuns) {
      out.run.push_back(token);
    } else {
      Park(token, waiting, out);
    }
  }
}

MovingKeys::Verdict MovingKeys::Judge(const Waiting& waiting) const {
  if (state_ == State::kFrozen) return Verdict::kWaits;
  if (waiting.access == Access::kRead) {
    const auto queue = queues_.find(waiting.names[0]);
    if (queue != queues_.end() && queue->second.tokens.empty()) return ReadFrom(queue->second.copy);
  }
  const bool free = std::all_of(
      waiting.names.begin(), waiting.names.end(),
      [this](const std::string& name) { return !queues_.contains(name) && here_.Contains(name); });
  return free ? Verdict::kRuns : Verdict::kWaits;
}

MovingKeys::Verdict MovingKeys::ReadFrom(Copy copy) {
  switch (copy) {
    case Copy::kNone:
      return Verdict::kWaits;
    case Copy::kOld:
      return Verdict::kReadsOld;
    case Copy::kNew:
      return Verdict::kRuns;
  }
  return Verdict::kWaits;
}

bool MovingKeys::IsAwaited(int database, Bytes key) const {
  if (state_ != State::kMoving || queues_.empty()) return false;
  const auto queue = queues_.find(NameOf(database, key));
  return queue != queues_.end() && !queue->second.tokens.empty();
}

MovingKeys::Verdict MovingKeys::Touch(Token token, const std::vector<Key>& keys, Access access,
                                      Actions& out) {
  if (state_ == State::kStable || keys.empty()) return Verdict::kRuns;
  Waiting waiting{{}, access};
  Names& names = waiting.names;
  names.reserve(keys.size());
  for (const Key& key : keys) names.push_back(NameOf(key.database, key.key));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.size() > 1) waiting.access = Access::kWrite;
  const Verdict verdict = Judge(waiting);
  if (verdict == Verdict::kWaits) Park(token, std::move(waiting), out);
  return verdict;
}

bool MovingKeys::IsFree(int database, Bytes key) const {
  const std::string name = NameOf(database, key);
  return state_ == State::kStable ||
         (state_ == State::kMoving && !queues_.contains(name) && here_.Contains(name));
}

void MovingKeys::Park(Token token, Waiting waiting, Actions& out) {
  for (const std::string& name : waiting.names) {
    const auto [at, fresh] = queues_.try_emplace(name);
    Queue& queue = at->second;
    if (fresh) queue.here = state_ == State::kMoving && here_.Contains(name);
    queue.tokens.push_back(token);
    if (state_ == State::kMoving && !queue.here && !queue.pulling) {
      queue.pulling = true;
      out.pulls.push_back(PullOf(name));
    }
  }
  held_.emplace(token, std::move(waiting));
}

MovingKeys::Verdict MovingKeys::JudgeParked(Token token) const {
  const Waiting& waiting = held_.at(token);
  if (waiting.access == Access::kRead) {
    const Queue& queue = queues_.at(waiting.names[0]);
    if (queue.tokens.front() != token) return Verdict::kWaits;
    return queue.here ? Verdict::kRuns : ReadFrom(queue.copy);
  }
  const bool first =
      std::all_of(waiting.names.begin(), waiting.names.end(), [&](const std::string& name) {
        const Queue& queue = queues_.at(name);
        return queue.here && queue.tokens.front() == token;
      });
  return first ? Verdict::kRuns : Verdict::kWaits;
}

// Takes the token out of all its queues; the names of those it stood in are appended.
void MovingKeys::Leave(Token token, std::vector<std::string>& freed) {
  const auto at = held_.find(token);
  for (const std::string& name : at->second.names) {
    std::erase(queues_.at(name).tokens, token);
    freed.push_back(name);
    DropIfIdle(name);
  }
  held_.erase(at);
}

void MovingKeys::DropIfIdle(const std::string& name) {
  const auto at = queues_.find(name);
  if (at->second.tokens.empty() && !at->second.pulling) queues_.erase(at);
}

void MovingKeys::Advance(std::vector<std::string> names, Actions& out) {
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    const auto at = queues_.find(name);
    if (at == queues_.end() || at->second.tokens.empty()) continue;
    const Token token = at->second.tokens.front();
    const Verdict verdict = JudgeParked(token);
    if (verdict == Verdict::kWaits) continue;
    (verdict == Verdict::kRuns ? out.run : out.read_old).push_back(token);
    Leave(token, names);
  }
}

std::string MovingKeys::Describe() const {
  std::string text =
      std::to_string(static_cast<int>(state_)) + std::to_string(static_cast<int>(before_)) + "|";
  std::map<std::string, const Queue*> sorted;
  for (const auto& [name, queue] : queues_) sorted.emplace(name, &queue);
  for (const auto& [name, queue] : sorted) {
    text += name + (queue->here ? "h" : "-") + (queue->pulling ? "p" : "-") +
            std::to_string(static_cast<int>(queue->copy));
    for (const Token token : queue->tokens) text += std::to_string(token) + ",";
  }
  return text;
}

void MovingKeys::OnReadable(int database, Bytes key, Copy copy, Actions& out) {
  if (state_ != State::kMoving) return;
  const std::string name = NameOf(database, key);
  const auto at = queues_.find(name);
  if (at == queues_.end() || at->second.here) return;
  at->second.copy = copy;
  Advance({name}, out);
}

void MovingKeys::OnHere(int database, Bytes key, Actions& out) {
  const std::string name = NameOf(database, key);
  // A freeze turns the move around or comes to nothing; either way it is asked again.
  if (state_ == State::kFrozen && before_ == State::kMoving) here_.Insert(name);
  if (state_ != State::kMoving) return;
  here_.Insert(name);
  const auto at = queues_.find(name);
  if (at == queues_.end()) return;
  at->second.here = true;
  at->second.pulling = false;
  if (at->second.tokens.empty()) return DropIfIdle(name);
  Advance({name}, out);
}

void MovingKeys::OnFailed(int database, Bytes key, Actions& out) {
  if (state_ != State::kMoving) return;
  const std::string name = NameOf(database, key);
  const auto at = queues_.find(name);
  if (at == queues_.end() || at->second.here) return;
  at->second.pulling = false;
  at->second.copy = Copy::kNone;
  const std::deque<Token> tokens = at->second.tokens;
  if (tokens.empty()) return DropIfIdle(name);
  std::vector<std::string> freed;
  for (const Token token : tokens) {
    out.fail.push_back(token);
    Leave(token, freed);
  }
  Advance(std::move(freed), out);
}

}  // namespace ringmaster
