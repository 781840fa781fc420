// Whether clients would notice what the proxy does on its own, by the commands that they send.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/clock.h"

namespace ringmaster {

class ClientLoad {
 public:
  // `commands`: of clients so far; empty: nobody counts, and nobody is busy. Until the first look
  // they are as `busy` says.
  ClientLoad(std::function<uint64_t()> commands, bool busy)
      : commands_(std::move(commands)), busy_(commands_ && busy), looked_at_(MonotonicNow()) {
    if (commands_) seen_ = commands_();
  }

  // Looks at most every few milliseconds.
  bool Busy(TimePoint now) {
    if (!commands_ || now - looked_at_ < kLookEvery) return busy_;
    const uint64_t commands = commands_();
    const double seconds = std::chrono::duration<double>(now - looked_at_).count();
    busy_ = static_cast<double>(commands - seen_) > kBusyRate * seconds;
    seen_ = commands;
    looked_at_ = now;
    return busy_;
  }
  // As of the last look.
  bool busy() const { return busy_; }

 private:
  static constexpr double kBusyRate = 200;  // commands a second
  static constexpr Duration kLookEvery = std::chrono::milliseconds(5);

  std::function<uint64_t()> commands_;
  bool busy_;
  uint64_t seen_ = 0;
  TimePoint looked_at_;
};

}  // namespace ringmaster
