// Carries the keys of one donor to their new owners: one thread, so that exactly one mover has a
// key at a time. Keys that a client waits for come first; in between it sweeps the donor with SCAN
// until a whole pass finds nothing (docs/resharding.md). Workers carry small keys that their
// clients wait for themselves, and ask it for each whether they may.
//
// Keys are relayed: DUMP and PTTL from the donor, RESTORE without REPLACE to the recipient, and
// when that is acknowledged UNLINK on the donor, a pipeline for each step (move/key_transfer.h).
// MIGRATE would save a copy, but it leaves a RESTORE behind that nobody can fence when the
// recipient stalls, and it stops the donor meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/reserved_keys.h"
#include "base/result.h"
#include "move/arrivals.h"
#include "move/carried_keys.h"
#include "move/eviction.h"
#include "move/mover_context.h"
#include "move/mover_items.h"
#include "move/mover_turns.h"

namespace ringmaster {

class Mover {
 public:
  using Asker = KeyAsker;

  // `swept` is called on the mover's thread, once, when nothing is left.
  Mover(MoverContext& context, uint32_t donor, std::function<void()> swept);
  ~Mover() { Stop(); }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  uint32_t donor() const { return donor_; }
  // Waits for the thread; pulls not served get an error. Not on its own thread.
  void Stop();
  // Any thread, as all below.
  void Pull(int database, std::string key, Asker asker);
  // The caller may carry the key itself, with the steps of move/key_transfer.h and over fenced
  // connections named as the context says, until it calls EndPull. False: Pull() it. `script` is
  // the SHA1 of what measures and dumps keys on the donor (see kDumpScript).
  bool BeginPull(int database, Bytes key, uint32_t to, std::string& script);
  struct PullEnd {
    bool moved = false;
    bool doubtful = false;  // it may be on both sides
    uint64_t size = 0;
    Duration took{};
  };
  void EndPull(int database, Bytes key, const PullEnd& end);
  // Its connection cannot be fenced for now; EndPull comes when it is.
  void StuckPull(int database, Bytes key, const std::string& why);
  // The operator gave up the donor, or nobody carries anything any more.
  bool given_up() const;
  // Drops the donor's copy of every key that its new owner has; then `done`, with what is wrong
  // when not all could be looked at. From then on no sweep. For a reversal.
  void Resolve(std::function<void(Status)> done);
  // Ends transfers; `clean` when no command is in doubt. Pulls fail from then on until Resume().
  void Halt(std::function<void(bool clean)> halted);
  void Resume();
  // No transfer begins after `held` was called, until Release(); it gets what is wrong when one is
  // in doubt. Calls may overlap: each Hold needs its Release.
  void Hold(std::function<void(const std::string& trouble)> held);
  void Release();
  // The operator gives up what is still on the donor: pulls find nothing there, and it is swept.
  void Abandon();
  // Wakes it to look at `paused` again.
  void Nudge() { wake_.notify_all(); }
  MoverFigures figures() const;

  // Arguments: keys, the size from which one is large, what may be dumped altogether, and maybe a
  // word of Eviction. For each key its time to live and its payload, and its rank if there was a
  // word; kAbsent, or kNotNow for one that is large or for which there is no room.
  static const Bytes kDumpScript;
  static constexpr int64_t kAbsent = -2;
  static constexpr int64_t kNotNow = -3;

 private:
  // From this estimate on (of what the donor keeps for it) a collection is copied in pieces: about
  // 20 ms of a server's time if it were moved at once.
  static constexpr int64_t kLargeKey = 1 << 20;
  static constexpr Duration kTroubleDelay = std::chrono::milliseconds(500);

  struct Waiting {
    int database;
    std::string key;
    Asker asker;
  };
  using Item = MoverItem;
  using Items = std::vector<Item>;
  class Ahead;
  class Pieces;
  // Keys that workers must not take meanwhile.
  class InHand;

  void Run();
  bool GiveUp();
  bool StandStill();
  bool ServePulls();
  void TellAskers(Items& items);
  void GatherPulls();
  bool Servable() const RM_REQUIRES(mutex_);
  void SweepStep();
  void SweepBatch();
  void SweepAhead();
  size_t ChunksOf(size_t keys) const;
  void EndSweepStep(Items& items, TimePoint began);
  bool Interrupted() const;
  bool ScanMore();
  // What moves off the sweep's way may have to wait for the new owner's disk.
  enum class Cause : uint8_t { kPull, kSweep };
  void Transfer(Items& items, Cause cause);
  bool LeaveOldCopy(Item& item);
  void LeaveOldCopies(Items& items);
  void DropOldCopies();
  void CountOldCopies();
  static bool Retry(Items& items);
  void Count(Items& items, Duration took);
  void CountOne(Bytes key, uint64_t size, Duration took) RM_REQUIRES(mutex_);
  void Expect();
  bool MayScript();
  ShardReply DumpByScript(Items& items);
  void AppendDumpScript(const std::vector<Item*>& items, int64_t room);
  void TakeDumps(const std::vector<Item*>& items, const ShardReply& reply);
  void Measure(Items& items);
  void Dump(Items& items);
  void Restore(Items& items);
  void Unlink(Items& items);
  void AppendRestore(const Item& item, Bytes payload);
  void TakeRestored(Item& item, const ShardReply& reply);
  void TakeUnlinked(Item& item, const ShardReply& reply);
  Status Connect(uint32_t shard);
  void MeetRecipients(const Items& items);
  bool KeepsRanks(uint32_t shard) const;
  bool AsksForRanks() const;
  void EndStep(TimePoint began, size_t keys);
  void CountWorkerPulls();
  Duration UntilSweep();
  void Probe();
  void Trouble(const std::string& what);
  Status ResolveAll();
  void FinishOrders();
  ShardClient& Client(uint32_t shard);
  void CopyInPieces(Item& item);
  bool IsCopied(const Waiting& waiting) const;
  void TakeAskersOfCopied();
  bool Rests();

  MoverContext& context_;
  const uint32_t donor_;
  const std::function<void()> on_swept_;
  std::vector<std::unique_ptr<ShardClient>> clients_;
  std::vector<std::unique_ptr<ShardClient>> uploads_;  // for what fills a connection for long
  std::vector<TimePoint> retry_at_;
  std::vector<std::optional<Eviction>> eviction_;  // of the shards that were reached
  std::unique_ptr<Arrivals> arrivals_;

  // The sweep; on the thread.
  bool met_all_ = false;  // every recipient was reached
  bool pass_begun_ = false;
  bool swept_ = false;
  bool sweeping_ = true;
  bool doubtful_ = false;         // some key may be on both sides
  bool scripts_refused_ = false;  // by the donor
  int database_ = 0;
  int scanned_database_ = 0;  // where found_ comes from
  std::string cursor_ = "0";
  std::deque<std::string> found_;
  uint64_t found_in_pass_ = 0;
  Item* copying_ = nullptr;  // in pieces
  TimePoint resume_at_{};
  TimePoint paced_from_{};  // what the rate applies to: when the last keys set out,
  size_t paced_keys_ = 0;   // and how many
  TimePoint next_pulls_at_{};
  MoverTurns turns_;
  uint32_t probed_ = 0;      // the last shard
  TimePoint counted_to_{};   // the pacer knows of what was done until then
  std::string dump_script_;  // its SHA1, once the donor has it

  mutable Mutex mutex_;
  std::condition_variable wake_;
  std::deque<Waiting> pulls_ RM_GUARDED_BY(mutex_);
  CarriedKeys carried_ RM_GUARDED_BY(mutex_);
  std::string worker_script_ RM_GUARDED_BY(mutex_);  // dump_script_, for workers
  // Shards where nothing of ours, or of an earlier life, is in doubt.
  std::vector<bool> opened_ RM_GUARDED_BY(mutex_);
  size_t worker_pulls_ RM_GUARDED_BY(mutex_) = 0;  // since the sweep last paced itself
  std::function<void(Status)> resolve_ RM_GUARDED_BY(mutex_);
  std::function<void(bool)> halt_ RM_GUARDED_BY(mutex_);
  // Asked for and not told.
  std::vector<std::function<void(const std::string&)>> holds_ RM_GUARDED_BY(mutex_);
  size_t held_ RM_GUARDED_BY(mutex_) = 0;
  // Some key that a worker carried may be on both sides.
  bool worker_doubt_ RM_GUARDED_BY(mutex_) = false;
  bool halted_ RM_GUARDED_BY(mutex_) = false;
  bool resume_sweep_ RM_GUARDED_BY(mutex_) = false;
  bool abandoned_ RM_GUARDED_BY(mutex_) = false;
  bool stop_ RM_GUARDED_BY(mutex_) = false;
  MoverFigures figures_ RM_GUARDED_BY(mutex_);
  std::thread thread_;
};

// The movers of one move, by donor. The main thread owns it and ends it when nobody shares it any
// more: what is called on a mover's thread may share it, too, and a thread cannot end itself.
struct MoverSet {
  MoverContext context;
  std::vector<std::unique_ptr<Mover>> movers;
  Mover* Of(uint32_t donor) const {
    for (const auto& mover : movers) {
      if (mover->donor() == donor) return mover.get();
    }
    return nullptr;
  }
};

}  // namespace ringmaster
