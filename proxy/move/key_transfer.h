// One key on its way from its old owner to its new one, as a state machine without I/O
// (docs/resharding.md). Exactly one mover has a key at a time, and no client command
// touches it meanwhile.
//
//   DUMP and PTTL on the old owner -> RESTORE without REPLACE on the new one -> UNLINK on the old
//   one
//
// Each step starts only when the one before is acknowledged: a key that is on the new owner and
// still on the old one is the same on both, or newer on the new one.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"

namespace ringmaster {

class KeyTransfer {
 public:
  enum class Step : uint8_t {
    kDump,
    kRestore,
    kUnlink,
    kHere,     // the old owner has it no more: commands may run on the new one
    kArrived,  // both have it, and the sweep leaves it so until the new owner's copy is durable
    kFailed,   // nothing is in doubt; the key is where it was
    kSuspect,  // a command's outcome is unknown: fence its connection, then Retry()
  };
  enum class Reply : uint8_t {
    kOk,       // DUMP: the payload is here
    kAbsent,   // DUMP: nil
    kBusy,     // RESTORE: BUSYKEY
    kRefused,  // any other error reply: it surely did nothing
    kLost,     // sent, and no reply came
  };

  Step step() const { return step_; }
  bool ended() const { return step_ >= Step::kHere; }

  void OnReply(Reply reply) {
    switch (step_) {
      case Step::kDump:
        // A DUMP that was lost has changed nothing.
        step_ = reply == Reply::kOk       ? Step::kRestore
                : reply == Reply::kAbsent ? Step::kHere
                                          : Step::kFailed;
        return;
      case Step::kRestore:
        // The new owner has it already: its copy is as new or newer.
        step_ = reply == Reply::kOk || reply == Reply::kBusy ? Step::kUnlink
                : reply == Reply::kLost                      ? Step::kSuspect
                                                             : Step::kFailed;
        return;
      case Step::kUnlink:
        step_ = reply == Reply::kOk     ? Step::kHere
                : reply == Reply::kLost ? Step::kSuspect
                                        : Step::kFailed;
        return;
      default:
        return;
    }
  }
  // Instead of UNLINK.
  void LeaveOldCopy() {
    if (step_ == Step::kUnlink) step_ = Step::kArrived;
  }
  // It needs nothing more of its mover.
  bool done() const { return step_ == Step::kHere || step_ == Step::kArrived; }
  // Of a RESTORE.
  static Reply OfRestore(bool is_error, Bytes text) {
    if (!is_error) return Reply::kOk;
    return text.starts_with("BUSYKEY") ? Reply::kBusy : Reply::kRefused;
  }
  // What RESTORE is told of a key with this PTTL at `dumped_at`, in milliseconds. One that expired
  // on its way arrives for one more.
  static int64_t TimeToLive(int64_t pttl, TimePoint dumped_at) {
    if (pttl < 0) return 0;
    return std::max<int64_t>(pttl - Milliseconds(MonotonicNow() - dumped_at), 1);
  }
  // The fence stands: what was in doubt has happened or never will.
  void Retry() { step_ = Step::kDump; }

 private:
  Step step_ = Step::kDump;
};

}  // namespace ringmaster
