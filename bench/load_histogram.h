// Latencies in buckets that grow with the value: 128 for each doubling, so a percentile read from
// it is at most 1 % off, whatever the range. The idea is HdrHistogram's. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace ringmaster::bench {

class Histogram {
 public:
  void Record(uint64_t value, uint64_t times) {
    counts_[Bucket(value)] += times;
    total_ += times;
    sum_ += static_cast<double>(value) * static_cast<double>(times);
    largest_ = std::max(largest_, value);
  }

  uint64_t total() const { return total_; }
  uint64_t largest() const { return largest_; }
  double mean() const { return total_ == 0 ? 0 : sum_ / static_cast<double>(total_); }

  // The smallest value that a share of at least `share` of all does not exceed; 0 when empty.
  uint64_t Percentile(double share) const {
    const double wanted = share * static_cast<double>(total_);
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
      seen += counts_[bucket];
      if (seen > 0 && static_cast<double>(seen) >= wanted) return std::min(Top(bucket), largest_);
    }
    return largest_;
  }

 private:
  static constexpr uint32_t kStepBits = 7;
  static constexpr uint64_t kSteps = uint64_t{1} << kStepBits;

  // Values below 2 * kSteps have a bucket each; above, the first kStepBits + 1 bits choose it.
  static size_t Bucket(uint64_t value) {
    if (value < 2 * kSteps) return value;
    const uint32_t shift = static_cast<uint32_t>(std::bit_width(value)) - kStepBits - 1;
    return shift * kSteps + (value >> shift);
  }
  // The largest value in the bucket.
  static uint64_t Top(size_t bucket) {
    if (bucket < 2 * kSteps) return bucket;
    const uint64_t shift = bucket / kSteps - 1;
    return ((bucket - shift * kSteps + 1) << shift) - 1;
  }

  std::array<uint64_t, (65 - kStepBits) * kSteps> counts_{};
  uint64_t total_ = 0;
  uint64_t largest_ = 0;
  double sum_ = 0;
};

}  // namespace ringmaster::bench
