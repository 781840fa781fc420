#include "schedule/balance_planner.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ringmaster {
namespace {

// A plan goes on to this share of the threshold, so that noise does not trigger the next at once.
constexpr double kAimedAt = 1.0 / 3;

double Mean(std::span<const double> busy) {
  if (busy.empty()) return 0;
  return std::accumulate(busy.begin(), busy.end(), 0.0) / static_cast<double>(busy.size());
}

std::vector<double> BusyShares(std::span<const WorkerLoad> workers) {
  std::vector<double> busy;
  busy.reserve(workers.size());
  for (const WorkerLoad& worker : workers) busy.push_back(worker.busy);
  return busy;
}

// The one nearest to half the gap: it evens out the two workers best. `connections` are in order of
// load, the lightest first; end() when none makes the busier one less busy than it was.
std::vector<ConnectionLoad>::iterator Fittest(std::vector<ConnectionLoad>& connections,
                                              double gap) {
  const auto above = std::lower_bound(
      connections.begin(), connections.end(), gap / 2,
      [](const ConnectionLoad& connection, double load) { return connection.load < load; });
  auto best = connections.end();
  if (above != connections.end() && above->load < gap) best = above;
  if (above != connections.begin()) {
    const auto below = std::prev(above);
    if (best == connections.end() || gap / 2 - below->load <= best->load - gap / 2) best = below;
  }
  return best != connections.end() && best->load > 0 ? best : connections.end();
}

}  // namespace

double Imbalance(std::span<const double> busy) {
  const double mean = Mean(busy);
  return mean > 0 ? *std::max_element(busy.begin(), busy.end()) / mean : 1;
}

bool BalancePlanner::Rests(uint64_t connection, TimePoint now) const {
  const auto found = moved_.find(connection);
  return found != moved_.end() && now - found->second < rule_.rest;
}

void BalancePlanner::Note(const Move& move, TimePoint now) { moved_[move.connection] = now; }

void BalancePlanner::Forget(TimePoint now) {
  std::erase_if(moved_, [&](const auto& entry) { return now - entry.second >= rule_.rest; });
}

std::vector<ConnectionLoad> BalancePlanner::Movable(const WorkerLoad& worker, TimePoint now) const {
  std::vector<ConnectionLoad> movable;
  movable.reserve(worker.connections.size());
  for (const ConnectionLoad& connection : worker.connections) {
    if (!connection.stays && connection.load > 0 && !Rests(connection.id, now)) {
      movable.push_back(connection);
    }
  }
  std::sort(movable.begin(), movable.end(), [](const ConnectionLoad& a, const ConnectionLoad& b) {
    return a.load != b.load ? a.load < b.load : a.id < b.id;
  });
  return movable;
}

bool BalancePlanner::Uneven(std::span<const double> busy, TimePoint now) const {
  if (busy.size() < 2 || now < settled_at_) return false;
  const double most = *std::max_element(busy.begin(), busy.end());
  return most >= rule_.least_load && Imbalance(busy) > 1 + rule_.threshold;
}

std::vector<Move> BalancePlanner::Plan(std::span<const WorkerLoad> workers, TimePoint now) {
  Forget(now);
  std::vector<double> busy = BusyShares(workers);
  if (!Uneven(busy, now)) return {};
  const double before = *std::max_element(busy.begin(), busy.end());
  const double aim = Mean(busy) * (1 + rule_.threshold * kAimedAt);
  std::vector<std::vector<ConnectionLoad>> movable(workers.size());
  std::vector<bool> looked_at(workers.size());
  std::vector<Move> moves;
  while (moves.size() < rule_.moves) {
    const auto from =
        static_cast<size_t>(std::max_element(busy.begin(), busy.end()) - busy.begin());
    const auto to = static_cast<size_t>(std::min_element(busy.begin(), busy.end()) - busy.begin());
    if (busy[from] <= aim) break;
    if (!looked_at[from]) movable[from] = Movable(workers[from], now);
    looked_at[from] = true;
    const auto fittest = Fittest(movable[from], busy[from] - busy[to]);
    if (fittest == movable[from].end()) break;
    moves.push_back(Move{fittest->id, from, to});
    busy[from] -= fittest->load;
    busy[to] += fittest->load;
    movable[from].erase(fittest);
  }
  const double after = *std::max_element(busy.begin(), busy.end());
  if (moves.empty() || before - after < rule_.gain * before) return {};
  for (const Move& move : moves) Note(move, now);
  settled_at_ = now + rule_.settle;
  return moves;
}

std::optional<Move> BalancePlanner::Pull(std::span<const WorkerLoad> workers, size_t thief,
                                         TimePoint now) {
  Forget(now);
  if (thief >= workers.size()) return std::nullopt;
  const std::vector<double> busy = BusyShares(workers);
  const auto from = static_cast<size_t>(std::max_element(busy.begin(), busy.end()) - busy.begin());
  const double gap = busy[from] - busy[thief];
  if (busy[from] < rule_.overloaded || gap <= rule_.threshold * busy[from]) return std::nullopt;
  std::vector<ConnectionLoad> movable = Movable(workers[from], now);
  const auto fittest = Fittest(movable, gap);
  if (fittest == movable.end()) return std::nullopt;
  const double gain = std::min(fittest->load, gap - fittest->load);
  if (gain < rule_.gain * busy[from]) return std::nullopt;
  const Move move{fittest->id, from, thief};
  Note(move, now);
  return move;
}

}  // namespace ringmaster
