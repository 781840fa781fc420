// What is counted. Each worker owns one WorkerMetrics and is its only writer; any thread may read
// at any time and sees values that are at most a moment old.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace ringmaster {

// One writer, any readers.
class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void Subtract(uint64_t n) { Add(-n); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Log-linear latency histogram in microseconds: eight buckets for each power of two, so a reading
// is off by at most one eighth (the layout of HdrHistogram, G. Tene). Covers up to 2^36 us.
class Histogram {
 public:
  static constexpr int kSubBits = 3;
  static constexpr size_t kBuckets = (36 - kSubBits + 1) << kSubBits;

  static size_t BucketOf(uint64_t micros) {
    if (micros < (1U << kSubBits)) return micros;
    const int high = 63 - std::countl_zero(micros);
    const size_t bucket = (static_cast<size_t>(high - kSubBits + 1) << kSubBits) +
                          ((micros >> (high - kSubBits)) & ((1U << kSubBits) - 1));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  // The largest value that falls into the bucket.
  static uint64_t UpperBound(size_t bucket);

  void Record(Duration latency, uint64_t count = 1) {
    const auto micros = static_cast<uint64_t>(latency.count() < 0 ? 0 : latency.count() / 1000);
    buckets_[BucketOf(micros)].Add(count);
    sum_.Add(micros * count);
  }
  uint64_t bucket(size_t index) const { return buckets_[index].value(); }
  uint64_t sum_micros() const { return sum_.value(); }

 private:
  std::array<Counter, kBuckets> buckets_;
  Counter sum_;
};

// A readable sum of histograms.
class HistogramSnapshot {
 public:
  void Add(const Histogram& histogram);
  void Add(const HistogramSnapshot& other);
  uint64_t count() const { return count_; }
  uint64_t sum_micros() const { return sum_; }
  // The smallest value that at least `fraction` of the recorded ones do not exceed; 0 when empty.
  uint64_t Percentile(double fraction) const;
  uint64_t bucket(size_t index) const { return buckets_[index]; }

 private:
  std::array<uint64_t, Histogram::kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ = 0;
};

struct CommandMetrics {
  // Bucket n counts what took at most 2^n microseconds.
  static constexpr size_t kBuckets = 32;

  Counter calls;
  Counter failed;    // the reply was an error
  Counter rejected;  // refused before it ran: wrong arity, no permission
  Counter micros;
  std::array<Counter, kBuckets> buckets;

  void Record(uint64_t took) {
    calls.Add();
    micros.Add(took);
    buckets[std::min<size_t>(took <= 1 ? 0 : std::bit_width(took - 1), kBuckets - 1)].Add();
  }
  // By the thread that counts.
  void Reset() {
    for (Counter* counter : {&calls, &failed, &rejected, &micros}) counter->Set(0);
    for (Counter& bucket : buckets) bucket.Set(0);
  }
};

// Errors by which a shard says that it does not serve now, whoever asks.
enum class ShardRefusal : uint8_t {
  kReadOnly,  // a replica: where a primary was, say
  kLoading,   // it reads its data from disk
  kOutOfMemory,
  kMisconf,  // it cannot write to its disk
  kMasterDown,
  kNoReplicas,
};
inline constexpr size_t kShardRefusals = 6;

struct ShardMetrics {
  Counter requests;
  Counter replies;
  Counter bytes_out;
  Counter bytes_in;
  Counter connects;
  Counter losses;  // connections lost after they were up
  Counter timeouts;
  Counter resent;  // read-only requests sent a second time
  Counter not_applied;
  Counter uncertain;
  std::array<Counter, kShardRefusals> refusals;  // by ShardRefusal
  Counter connections;                           // open now
  Counter in_flight;                             // requests without a reply when last looked at
  Histogram latency;                             // from queueing to reply
};

struct WorkerMetrics {
  explicit WorkerMetrics(size_t commands) : per_command(commands) {}

  Counter clients;  // connected now
  Counter blocked;  // of them waiting for data
  Counter accepted;
  Counter closed;
  Counter requests;
  Counter bytes_in;
  Counter bytes_out;
  Counter protocol_errors;
  Counter error_replies;
  Counter slow_readers;  // clients closed because they did not read
  Counter standstills;   // times that shard connections waited for a client for seconds
  Counter idle_closed;
  Counter refused;         // clients turned away: limits.clients
  Counter memory_refused;  // requests turned away: limits.memory
  Counter in_flight;       // requests under way when the loop last went to sleep
  Counter memory;          // bytes in buffers now
  Counter paused;          // clients that wait for the end of CLIENT PAUSE
  Counter busy_permille;   // share of time the loop was not asleep
  Counter turns;
  Counter last_command;  // 1 + Row::id of the latest request; 0: none
  Counter moved_in;      // clients that came from other workers
  Counter pulled_in;     // of those, how many this worker had asked for
  Counter moved_out;
  Counter stayed;  // clients that were to move and did not
  // From parsing to the last byte handed to the socket. [1]: what clients send and shards answer,
  // and nothing but the shard was waited for (Command::of_clients); [0]: all else.
  std::array<Histogram, 2> latencies;
  std::vector<CommandMetrics> per_command;  // by Row::id

  HistogramSnapshot latency() const {
    HistogramSnapshot all;
    for (const Histogram& each : latencies) all.Add(each);
    return all;
  }
};

}  // namespace ringmaster
