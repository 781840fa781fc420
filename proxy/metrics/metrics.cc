#include "metrics/metrics.h"

#include <algorithm>
#include <cmath>

namespace ringmaster {

uint64_t Histogram::UpperBound(size_t bucket) {
  constexpr uint64_t kSub = 1U << kSubBits;
  if (bucket < kSub) return bucket;
  const size_t high = (bucket >> kSubBits) - 1 + kSubBits;
  const uint64_t step = uint64_t{1} << (high - kSubBits);
  return (uint64_t{1} << high) + ((bucket & (kSub - 1)) + 1) * step - 1;
}

void HistogramSnapshot::Add(const Histogram& histogram) {
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    const uint64_t n = histogram.bucket(i);
    buckets_[i] += n;
    count_ += n;
  }
  sum_ += histogram.sum_micros();
}

void HistogramSnapshot::Add(const HistogramSnapshot& other) {
  for (size_t i = 0; i < Histogram::kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
}

uint64_t HistogramSnapshot::Percentile(double fraction) const {
  if (count_ == 0) return 0;
  const auto wanted = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(fraction * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < Histogram::kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return Histogram::UpperBound(i);
  }
  return Histogram::UpperBound(Histogram::kBuckets - 1);
}

}  // namespace ringmaster
