// Every family of metrics that /metrics shows: its name, what it means, and where its values come
// from. docs/metrics.md is made from the same rows.
#pragma once

#include <span>
#include <string>

#include "admin/exposition.h"
#include "admin/overview.h"

namespace ringmaster {

struct MetricFamily {
  const char* name;
  const char* type;    // counter, gauge or histogram
  const char* labels;  // "pool, shard"; empty: none
  const char* help;
  void (*collect)(const Overview& overview, Samples& out);
};

std::span<const MetricFamily> MetricFamilies();

// The page /metrics.
std::string MetricsPage(const Overview& overview);
// docs/metrics.md.
std::string DescribeMetrics();

}  // namespace ringmaster
