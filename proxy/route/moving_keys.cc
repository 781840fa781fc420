#include "route/moving_keys.h"

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
  for (const auto& [token, names] : parked_) out.run.push_back(token);
  parked_.clear();
  queues_.clear();
}

// As if all who wait came anew, in their order.
void MovingKeys::LookAgain(Actions& out) {
  const std::map<Token, Names> parked = std::exchange(parked_, {});
  queues_.clear();
  for (const auto& [token, names] : parked) {
    if (MustWait(names)) {
      Park(token, names, out);
    } else {
      out.run.push_back(token);
    }
  }
}

bool MovingKeys::MustWait(const Names& names) const {
  if (state_ == State::kFrozen) return true;
  return std::any_of(names.begin(), names.end(), [this](const std::string& name) {
    return queues_.contains(name) || !here_.Contains(name);
  });
}

bool MovingKeys::Touch(Token token, const std::vector<Key>& keys, Actions& out) {
  if (state_ == State::kStable || keys.empty()) return true;
  Names names;
  names.reserve(keys.size());
  for (const Key& key : keys) names.push_back(NameOf(key.database, key.key));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (!MustWait(names)) return true;
  Park(token, std::move(names), out);
  return false;
}

bool MovingKeys::IsFree(int database, Bytes key) const {
  const std::string name = NameOf(database, key);
  return state_ == State::kStable ||
         (state_ == State::kMoving && !queues_.contains(name) && here_.Contains(name));
}

void MovingKeys::Park(Token token, Names names, Actions& out) {
  for (const std::string& name : names) {
    const auto [at, fresh] = queues_.try_emplace(name);
    Queue& queue = at->second;
    if (fresh) queue.here = state_ == State::kMoving && here_.Contains(name);
    queue.tokens.push_back(token);
    if (state_ == State::kMoving && !queue.here && !queue.pulling) {
      queue.pulling = true;
      out.pulls.push_back(PullOf(name));
    }
  }
  parked_.emplace(token, std::move(names));
}

bool MovingKeys::Runnable(Token token) const {
  const Names& names = parked_.at(token);
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    const Queue& queue = queues_.at(name);
    return queue.here && queue.tokens.front() == token;
  });
}

// Takes the token out of all its queues; the names of those it stood in are appended.
void MovingKeys::Leave(Token token, std::vector<std::string>& freed) {
  const auto at = parked_.find(token);
  for (const std::string& name : at->second) {
    Queue& queue = queues_.at(name);
    std::erase(queue.tokens, token);
    freed.push_back(name);
    if (queue.tokens.empty()) queues_.erase(name);
  }
  parked_.erase(at);
}

void MovingKeys::Advance(std::vector<std::string> names, Actions& out) {
  while (!names.empty()) {
    const std::string name = std::move(names.back());
    names.pop_back();
    const auto at = queues_.find(name);
    if (at == queues_.end() || !at->second.here) continue;
    const Token token = at->second.tokens.front();
    if (!Runnable(token)) continue;
    out.run.push_back(token);
    Leave(token, names);
  }
}

std::string MovingKeys::Describe() const {
  std::string text =
      std::to_string(static_cast<int>(state_)) + std::to_string(static_cast<int>(before_)) + "|";
  std::map<std::string, const Queue*> sorted;
  for (const auto& [name, queue] : queues_) sorted.emplace(name, &queue);
  for (const auto& [name, queue] : sorted) {
    text += name + (queue->here ? "h" : "-") + (queue->pulling ? "p" : "-");
    for (const Token token : queue->tokens) text += std::to_string(token) + ",";
  }
  return text;
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
  Advance({name}, out);
}

void MovingKeys::OnFailed(int database, Bytes key, Actions& out) {
  if (state_ != State::kMoving) return;
  const std::string name = NameOf(database, key);
  const auto at = queues_.find(name);
  if (at == queues_.end() || at->second.here) return;
  const std::deque<Token> tokens = at->second.tokens;
  std::vector<std::string> freed;
  for (const Token token : tokens) {
    out.fail.push_back(token);
    Leave(token, freed);
  }
  Advance(std::move(freed), out);
}

}  // namespace ringmaster
