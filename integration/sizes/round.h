// What one client does from its seed alone: pipelines and waits on keys of its own, first with one
// Redis, then with the proxy. A round is an episode that begins without keys, so it can be repeated
// without those before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace ringmaster::sizes {

struct Setting {
  Address one;
  Address proxy;
  uint64_t seed = 1;
  bool one_key = false;  // no commands over several shards
  Duration deadline{};
  TimePoint end{};
};

struct Totals {
  std::atomic<uint64_t> commands{0};
  std::atomic<uint64_t> pipelines{0};
  std::atomic<uint64_t> bytes{0};  // of requests and replies
  std::atomic<uint64_t> waits{0};
  std::atomic<uint64_t> largest{0};  // reply or request
};

// What was found; the first finding ends the run. Thread-safe.
class Findings {
 public:
  void Add(const std::string& finding);
  bool any() const { return any_; }
  std::vector<std::string> all() const;

 private:
  std::atomic<bool> any_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> all_;
};

// The client's rounds from `first` on, until the setting's end or a finding; only that one when
// `once`.
void RunClient(const Setting& setting, uint64_t client, uint64_t first, bool once, Totals& totals,
               Findings& findings);

}  // namespace ringmaster::sizes
