// Prometheus's text format, version 0.0.4: what one family of metrics says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "metrics/metrics.h"

namespace ringmaster {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

// How often each bound was not exceeded, and the sum of all.
struct BucketCounts {
  std::vector<std::pair<double, uint64_t>> cumulative;  // upper bound in seconds, ascending
  uint64_t count = 0;
  double sum = 0;
};
// Bounds are powers of two microseconds, from 16 us to about half a minute.
BucketCounts BucketsOf(const HistogramSnapshot& histogram);
// `buckets[n]`: how many took at most 2^n microseconds and more than 2^(n-1).
BucketCounts BucketsOf(const uint64_t* buckets, size_t size, uint64_t sum_micros);

class Samples {
 public:
  // Samples go to the end of `out`, one line each.
  Samples(std::string& out, std::string_view family) : out_(out), family_(family) {}

  void Add(const Labels& labels, double value) { Line("", labels, "", value); }
  void Add(const Labels& labels, const BucketCounts& buckets);

 private:
  void Line(std::string_view suffix, const Labels& labels, std::string_view bound, double value);

  std::string& out_;
  const std::string_view family_;
};

// "# HELP" and "# TYPE".
void WriteFamilyHead(std::string& out, std::string_view name, std::string_view type,
                     std::string_view help);

}  // namespace ringmaster
