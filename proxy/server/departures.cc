#include "server/departures.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "server/pool_worker.h"
#include "server/server.h"

namespace ringmaster {
namespace {

constexpr Duration kPatience = std::chrono::milliseconds(100);

}  // namespace

void Departures::Begin(const std::vector<MoveOrder>& orders, TimePoint now) {
  std::unordered_map<uint64_t, MoveOrder> wanted;
  for (const MoveOrder& order : orders) wanted.emplace(order.id, order);
  for (const Leaving& leaving : leaving_) wanted.erase(leaving.order.id);
  for (size_t i = 0; i < worker_.pool_count() && !wanted.empty(); ++i) {
    PoolWorker& pool = worker_.pool(i);
    pool.EachSession([&](Session& session) {
      const auto found = wanted.find(session.id());
      if (found == wanted.end() || session.closed() || session.tied()) return;
      leaving_.push_back({&session, &pool, found->second, now + kPatience});
      session.SetLeaving(true);
      wanted.erase(found);
    });
  }
  for (const auto& [id, order] : wanted) Stays(id);
}

void Departures::Stays(uint64_t client) {
  worker_.NoteStayed();
  server_.NoteStayed(client);
}

// Moves one whose time has come. False: it has to stay.
bool Departures::Go(const Leaving& leaving) {
  Worker& to = server_.worker(leaving.order.to);
  return server_.WhileNobodyIsVisited([&] {
    const std::shared_ptr<MovedClient> client = leaving.pool->Release(*leaving.session);
    to.clients().fetch_add(1, std::memory_order_relaxed);
    to.mailbox().Post([&to, client, pool = leaving.pool->pool(), pulled = leaving.order.pulled] {
      to.pool(pool).AddMoved(*client, pulled);
    });
  });
}

void Departures::Settle(TimePoint now) {
  std::erase_if(leaving_, [&](const Leaving& leaving) {
    if (leaving.session->quiet()) {
      if (Go(leaving)) return true;
    } else if (now < leaving.until && !leaving.session->closed()) {
      return false;
    }
    leaving.session->SetLeaving(false);
    Stays(leaving.order.id);
    return true;
  });
}

void Departures::CancelAll() {
  for (const Leaving& leaving : leaving_) {
    leaving.session->SetLeaving(false);
    Stays(leaving.order.id);
  }
  leaving_.clear();
}

void Departures::Forget(const Session& session) {
  std::erase_if(leaving_, [&](const Leaving& leaving) { return leaving.session == &session; });
}

}  // namespace ringmaster
