#include "saga/simulator/network.h"

#include <algorithm>
#include <utility>

namespace ringmaster::sim {
namespace {

constexpr Duration kCommandTimeout = std::chrono::milliseconds(400);

}  // namespace

void Connection::Send(Run run, Done done) {
  const uint64_t number = ++last_;
  if (!proxy_open_) {
    clock_.After(Duration(1), [done = std::move(done)] { done({}); });
    return;
  }
  asked_.emplace_back(number, std::move(done));
  in_flight_.push_back({number, std::move(run), false});
  const Duration at = std::max(next_arrival_, clock_.now() + clock_.Around(0, 3));
  next_arrival_ = at;
  if (!pumping_) {
    pumping_ = true;
    clock_.After(at - clock_.now(), [self = shared_from_this()] { self->Pump(); });
  }
  clock_.After(kCommandTimeout, [self = shared_from_this(), number] {
    if (!self->asked_.empty() && self->asked_.front().first <= number) self->CloseAtProxy();
  });
}

void Connection::Pump() {
  pumping_ = false;
  if (!shard_open_) in_flight_.clear();
  if (in_flight_.empty()) return;
  pumping_ = true;
  Duration next = clock_.Around(0, 2);
  if (!shard_.alive) {
    shard_open_ = false;
    next = Duration(0);
  } else if (shard_.paused || link_.holds_requests) {
    next = clock_.Around(5, 40);
  } else if (!proxy_open_ && !in_flight_.front().zombie) {
    // Bytes that are still under way when their connection is gone arrive when they like.
    for (Request& request : in_flight_) request.zombie = true;
    next = clock_.Chance(50) ? clock_.Around(0, 30) : clock_.Around(100, 2500);
  } else {
    Request request = std::move(in_flight_.front());
    in_flight_.pop_front();
    const Reply reply = request.run(shard_);
    const Duration at = std::max(next_reply_, clock_.now() + clock_.Around(0, 3));
    next_reply_ = at;
    clock_.After(at - clock_.now(), [self = shared_from_this(), number = request.number, reply] {
      self->Answer(number, reply);
    });
  }
  clock_.After(next, [self = shared_from_this()] { self->Pump(); });
}

void Connection::Answer(uint64_t number, Reply reply) {
  if (!proxy_open_) return;
  if (link_.holds_replies) {
    clock_.After(clock_.Around(20, 40),
                 [self = shared_from_this(), number, reply] { self->Answer(number, reply); });
    return;
  }
  // One that was held and let go may find others before it: all in their order.
  if (asked_.empty() || asked_.front().first > number) return;
  if (asked_.front().first < number) {
    clock_.After(kMillisecond,
                 [self = shared_from_this(), number, reply] { self->Answer(number, reply); });
    return;
  }
  Done done = std::move(asked_.front().second);
  asked_.pop_front();
  done(reply);
}

void Connection::CloseAtProxy() {
  if (!proxy_open_) return;
  proxy_open_ = false;
  if (on_loss) on_loss();
  for (auto& [number, done] : std::exchange(asked_, {})) done({});
}

void Connection::Abandon() {
  proxy_open_ = false;
  asked_.clear();
  on_loss = nullptr;
}

}  // namespace ringmaster::sim
