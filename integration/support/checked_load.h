// Clients on threads of their own that write and read values which carry their own key, and hold
// every reply against its question. Whatever happens to the shards, a reply may be the right answer
// or one of the allowed errors; anything else is a mismatch.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/clock.h"

namespace ringmaster::integration {

class CheckedLoad {
 public:
  struct Options {
    int clients = 4;
    int pipeline = 8;                    // requests sent at once
    std::vector<std::string> keys = {};  // those used, by all clients; empty: 100 of each client
    size_t value_size = 64;
    // Errors of clients, sprinkled between the requests: a wrong password, a database that is not.
    bool client_errors = false;
    Duration patience = std::chrono::seconds(10);
  };
  struct Report {
    uint64_t replies = 0;
    uint64_t errors = 0;
    std::map<std::string, uint64_t> errors_by_kind;  // first word, as "NOTAPPLIED"
    uint64_t disconnects = 0;
    std::vector<std::string> mismatches;  // the first few, in words
    Duration p50{}, p99{}, longest{};     // of one pipeline, there and back
  };

  CheckedLoad(const Address& address, Options options);
  ~CheckedLoad() { Stop(); }

  uint64_t replies() const { return replies_; }
  uint64_t errors() const { return errors_; }
  // Ends the clients, each after its current pipeline; the report of everything since the start.
  Report Stop();

 private:
  void RunClient(int index);
  void Note(const Report& report, std::vector<Duration> latencies);

  const Address address_;
  const Options options_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> replies_{0}, errors_{0};
  std::mutex mutex_;
  Report report_;                    // guarded by mutex_
  std::vector<Duration> latencies_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

// "UNCERTAIN 3, NOTAPPLIED 5", for the messages of tests.
std::string Summary(const CheckedLoad::Report& report);

}  // namespace ringmaster::integration
