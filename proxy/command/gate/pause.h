// CLIENT PAUSE: requests that wait until it is over. One for all workers of a pool; any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "command/table/row.h"
#include "command/table/table.h"

namespace ringmaster {

class Pause {
 public:
  enum class What : uint8_t { kNothing, kWrites, kEverything };

  // One relaxed load, for each request.
  What what() const { return what_.load(std::memory_order_relaxed); }
  // As in Redis a pause that is under way is not made shorter or weaker.
  void Start(What what, TimePoint until) {
    const auto end = until.time_since_epoch().count();
    if (what_.load() == What::kNothing || end > until_.load()) until_.store(end);
    if (what > what_.load()) what_.store(what);
  }
  void End() { what_.store(What::kNothing); }
  bool over(TimePoint now) const { return now.time_since_epoch().count() >= until_.load(); }

 private:
  std::atomic<What> what_{What::kNothing};
  std::atomic<TimePoint::rep> until_{0};
};

}  // namespace ringmaster
