// What a worker knows of the others and of whoever spreads the clients over them: the WorkerGroup,
// seen from below. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "command/call/proxy.h"
#include "worker/migrations.h"

namespace ringmaster {

struct MovedClient;

// The worker that others may take a client from, or none.
class Overloaded {
 public:
  static constexpr int kNobody = -1;
  void Set(int worker) { worker_.store(worker, std::memory_order_relaxed); }
  bool AnyBut(size_t worker) const {
    const int busiest = worker_.load(std::memory_order_relaxed);
    return busiest >= 0 && static_cast<size_t>(busiest) != worker;
  }

 private:
  std::atomic<int> worker_{kNobody};
};

class Colleagues {
 public:
  // A worker about to sleep may ask for a client of another, once in a while.
  bool MayPull(size_t thief) const { return overloaded_.AnyBut(thief); }
  virtual void AskForClient(size_t thief) = 0;
  // The last time that an interactive client of any worker but this was served.
  virtual TimePoint InteractiveElsewhere(size_t worker) const = 0;
  // Gives the client that `release` lets go to worker `order.to`. False: not now, and nothing
  // happened. A visit meets every client exactly once, and what is posted to all workers is there
  // before a client that migrates: so none does while a visit is under way.
  using Release = std::function<std::shared_ptr<MovedClient>()>;
  virtual bool HandOver(const MigrationOrder& order, size_t pool, const Release& release) = 0;
  // An ordered migration did not happen.
  virtual void NoteStayed(uint64_t client) = 0;
  // As Proxy::VisitWorkers, for the worker `asking`.
  virtual void VisitPool(size_t pool, size_t asking, const Proxy::Visit& visit,
                         std::function<void(std::vector<std::string>)> done) = 0;

 protected:
  ~Colleagues() = default;

  Overloaded overloaded_;
};

}  // namespace ringmaster
