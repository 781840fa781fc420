// The scripts and function libraries that clients loaded through the proxy, so that a shard that
// joins or comes back empty has them before the first call that needs them. One for a pool; any
// thread. Bounded: beyond kMaxBytes or kMaxScripts the oldest are forgotten, those that were only
// run by EVAL before those that were loaded.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "base/mutex.h"
#include "command/call/script_teller.h"

namespace ringmaster {

class ScriptMemory final : public ScriptTeller {
 public:
  using Text = std::shared_ptr<const std::string>;
  static constexpr size_t kMaxBytes = 32U << 20;  // of each kind
  static constexpr size_t kMaxScripts = 10000;    // of each kind
  static constexpr size_t kLargeDump = 64U << 10;

  enum class Source : uint8_t { kLoaded, kEvaluated };
  // Returns the script's SHA1. One that is too large for the memory is not kept.
  std::string Remember(Bytes script, Source source);
  // Empty: not known. `sha` in lower case.
  Text Find(const std::string& sha) const;
  // SCRIPT FLUSH.
  void ForgetScripts();
  // Grows with each SCRIPT FLUSH: what a shard was told before it has forgotten.
  uint64_t epoch() const { return epoch_.load(std::memory_order_relaxed); }

  // The shards' libraries as FUNCTION DUMP gives them; empty: there is nothing to tell.
  struct Functions {
    uint64_t version = 0;  // 0: not known, or being changed
    Text dump;
  };
  uint64_t functions_version() const { return functions_version_.load(); }
  Functions functions() const;
  // For whoever is to ask the shards what they have. False: somebody does.
  bool StartLearning() { return !learning_.exchange(true); }
  void EndLearning() { learning_.store(false); }
  // What was learned counts only if nobody changed anything since changes() was so many. Whether it
  // does, or is known already.
  bool LearnFunctions(std::string dump, uint64_t changes);
  uint64_t changes() const;
  // Around each command that changes libraries: meanwhile nobody is told of any.
  void BeginChange();
  // `dump`: nullopt: somebody learns it. `readers`: functions that do not write, in lower case;
  // nullopt: as before.
  void EndChange(std::optional<std::string> dump, std::optional<std::set<std::string>> readers);
  // So large that a change does not wait for their dump: many changes one after the other would
  // read all of them each time.
  bool functions_large() const;
  // Whether a function is known not to write.
  bool Reads(Bytes function) const;

  // ScriptTeller.
  void Tell(CommandContext& context, const Command& command, std::span<const Bytes> args,
            Connection& connection) override;

 private:
  struct Kept {
    Text text;
    Source source;
  };
  struct Kind {
    std::deque<std::string> shas;  // the oldest first
    size_t bytes = 0;
  };
  void Evict(Kind& kind) RM_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::unordered_map<std::string, Kept> scripts_ RM_GUARDED_BY(mutex_);
  Kind kinds_[2] RM_GUARDED_BY(mutex_);
  std::atomic<uint64_t> epoch_{1};
  Text functions_ RM_GUARDED_BY(mutex_);
  std::set<std::string> readers_ RM_GUARDED_BY(mutex_);
  uint64_t changes_ RM_GUARDED_BY(mutex_) = 0;  // so far
  int changing_ RM_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> functions_version_{0};
  std::atomic<bool> learning_{false};
};

}  // namespace ringmaster
