// Clients on threads of their own, each with all workloads in turn, and what they were told.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "histories/operations.h"
#include "support/client.h"

namespace ringmaster::histories {

using integration::Client;

class Workloads {
 public:
  static constexpr int kStableKeys = 2000;

  Workloads(const Address& proxy, uint64_t seed, int clients);
  ~Workloads() { Stop(); }

  // The keys that stay as they are throughout. False: they could not be written.
  bool Fill();
  void Start();
  void Stop();
  // After Stop, over a proxy without faults: reads what is there in the end, and says what is
  // wrong.
  std::vector<std::string> Check();

  // What led to an anomaly.
  const std::string& details() const { return details_; }
  // Of shards, while the clients are at work.
  std::atomic<uint64_t> restarts{0};

  uint64_t operations() const { return operations_; }
  uint64_t failed() const { return failed_; }
  uint64_t unknown() const { return unknown_; }
  uint64_t scans() const { return scans_; }
  // Since when every operation was answered as asked; for the end of a fault.
  uint64_t undecided() const { return undecided_; }

 private:
  static constexpr int kKeysAtOnce = 24;
  static constexpr int kOperationsPerKey = 240;
  static constexpr int kAccounts = 8;
  static constexpr int kGroups = 6;
  static constexpr int kBalance = 1000;
  static constexpr int kQueues = 6;
  static constexpr int kPartsOfWhole = 5;
  static constexpr int kLarge = 3;

  // Keys of one kind; one that has had its share is replaced by the next.
  struct Keys {
    std::atomic<uint32_t> next{kKeysAtOnce};
    std::atomic<uint32_t> current[kKeysAtOnce];
    std::atomic<uint32_t> used[kKeysAtOnce];
    Keys();
    uint32_t Pick(uint32_t slot);
  };
  // What one client wrote down.
  struct Notes {
    std::map<uint32_t, std::vector<RegisterOperation>> registers;
    std::map<uint32_t, std::vector<RegisterOperation>> wholes;
    std::map<uint32_t, std::vector<RegisterOperation>> fields;
    std::map<uint32_t, std::vector<Append>> appends;
    std::map<uint32_t, std::vector<ListRead>> list_reads;
    std::map<uint32_t, std::vector<Increment>> increments;
    std::map<uint32_t, Outcome> pushed;
    std::vector<uint32_t> popped;
    uint64_t unknown_pops = 0;
    std::map<uint32_t, Outcome> added;  // to the one set
    std::vector<std::string> wrong;
  };
  class Worker;

  uint32_t NewValue() { return ++last_value_; }
  Notes Together() const;
  // Its reply is the number.
  static std::vector<std::string> ReadStable(int number);
  static std::vector<std::string> LargeRead(uint32_t field);
  // What MGET of a whole's keys answered; returns what is wrong with it.
  static std::string WholeOf(const std::string& reply, uint32_t& value);

  const Address proxy_;
  const uint64_t seed_;
  const int clients_;
  Keys registers_, wholes_, fields_, lists_, counters_;
  std::atomic<uint32_t> last_value_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> operations_{0}, failed_{0}, unknown_{0}, scans_{0}, undecided_{0};
  std::vector<Notes> notes_;  // by client
  std::vector<std::thread> threads_;
  std::string details_;
};

}  // namespace ringmaster::histories
