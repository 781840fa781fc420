// SLOWLOG of the proxy: requests that took long, from their first byte here to the last byte of
// their reply, waiting included. A shard's own log has what the shard alone took.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace ringmaster {

struct SlowEntry {
  uint64_t id = 0;
  int64_t at_unix = 0;
  int64_t micros = 0;
  std::vector<std::string> args;  // cut as Redis cuts them
  std::string address;
  std::string name;
  int64_t waited_micros = 0;  // of them until a shard had the first of it; all: no shard had
  std::string shard;          // of its keys, with commas; empty: it has none
};

// One for all workers of a pool; any thread.
class SlowLog {
 public:
  SlowLog() = default;
  SlowLog(const SlowLog&) = delete;
  SlowLog& operator=(const SlowLog&) = delete;

  // Requests that take at least so many microseconds are kept; negative: none. Redis's
  // slowlog-log-slower-than.
  int64_t threshold() const { return threshold_.load(std::memory_order_relaxed); }
  void SetThreshold(int64_t micros) { threshold_.store(micros, std::memory_order_relaxed); }
  size_t max_entries() const;
  void SetMaxEntries(size_t count);

  void Add(SlowEntry entry);
  std::vector<SlowEntry> Latest(size_t count) const;  // the latest first
  size_t size() const;
  uint64_t next_id() const;
  // Forgets all entries with smaller ids.
  void Clear(uint64_t before = UINT64_MAX);

 private:
  std::atomic<int64_t> threshold_{10'000};
  mutable Mutex mutex_;
  size_t max_entries_ RM_GUARDED_BY(mutex_) = 128;
  uint64_t next_id_ RM_GUARDED_BY(mutex_) = 0;
  std::deque<SlowEntry> entries_ RM_GUARDED_BY(mutex_);  // the latest first
};

// Cuts a request's arguments as Redis's log does: 32 of them, 128 bytes of each.
std::vector<std::string> CutForLog(std::span<const Bytes> args);

// The last requests of one worker, so that a slow one can still be named when its reply comes: a
// ring of bytes, into which each request is copied as it starts. What is overtaken is gone.
class RecentRequests {
 public:
  RecentRequests();

  // Returns where it is kept, never 0. `wire` as the client sent it; empty: args are written anew.
  uint64_t Keep(Bytes wire, std::span<const Bytes> args) {
    if (wire.size() - 1 < kAsItIs) [[likely]]
      return Put(wire, false);
    return KeepCut(args);
  }
  // The arguments, cut for the log; empty when they are gone.
  std::vector<std::string> Find(uint64_t place) const;

 private:
  static constexpr size_t kSize = 256 * 1024;  // a power of two
  static constexpr size_t kAsItIs = 256;       // longer requests are cut before they are kept
  struct Header {
    uint32_t size = 0;
    uint32_t is_cut = 0;
  };

  uint64_t Put(Bytes request, bool is_cut);
  uint64_t KeepCut(std::span<const Bytes> args);

  std::unique_ptr<char[]> ring_;
  uint64_t head_ = sizeof(Header);  // bytes ever written, the gaps at the ring's end included
  std::string scratch_;
};

}  // namespace ringmaster
