// What operators see of sagas: figures, records of single ones, and their orders
// (docs/sagas.md).
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "saga/plan.h"

namespace ringmaster {

// Counted since the start. Any thread.
struct SagaFigures {
  std::atomic<uint64_t> started{0};
  std::atomic<uint64_t> committed{0};
  std::atomic<uint64_t> undone{0};
  std::atomic<uint64_t> uncertain{0};     // could not be undone as a whole
  std::atomic<uint64_t> interfered{0};    // steps that found what was read written past the proxy
  std::atomic<uint64_t> conflicts{0};     // steps that others wrote over since
  std::atomic<uint64_t> poisoned{0};      // steps that cannot be undone
  std::atomic<uint64_t> recovered{0};     // left open by a former process, and settled
  std::atomic<uint64_t> microseconds{0};  // from the locks to the answer, of all answered
  // Of them, how many took at most 2^n microseconds and more than 2^(n-1); the last: more.
  std::array<std::atomic<uint64_t>, 26> buckets{};

  void Took(uint64_t micros) {
    microseconds.fetch_add(micros, std::memory_order_relaxed);
    const size_t bucket = micros <= 1 ? 0 : static_cast<size_t>(std::bit_width(micros - 1));
    buckets[std::min(bucket, buckets.size() - 1)].fetch_add(1, std::memory_order_relaxed);
  }
};

struct SagaRecord {
  SagaId id = 0;
  std::string command;
  std::string state;  // Saga::Describe
  Duration age{};
  bool poisoned = false;
  bool recovered = false;
  SagaPlan plan;
  std::vector<std::string> notes;
};

struct SagaOrder {
  enum class What : uint8_t { kRetry, kRollback, kSkip, kForget };
  What what = What::kRetry;
  size_t step = 0;     // kSkip
  std::string reason;  // kForget
};

}  // namespace ringmaster
