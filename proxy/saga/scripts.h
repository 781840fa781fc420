// What shards are asked in a saga, and how their answers are read. The Lua is in scripts.lua.h with
// its contract; each script is one atomic unit on its shard and in the shard's append-only file.
//
// A step's marker remembers what the step did: a second STEP finds it and repeats the answer, UNDO
// finds what to put back, and leaves an abort mark for a day, so that a STEP which arrives late is
// refused. So UNDO is right whatever happened to the step, at any time, any number of times.
//
// A kScript step:    AppendStep or AppendSetStep -> ReadStep
// A kExecute step, on one connection of its own that nobody else uses meanwhile:
//   1. AppendPrepare                  -> PrepareReplies(step) replies, ReadPrepare. Images, copies
//   and
//                                        the marker are there; nothing of the client's has run.
//   2. AppendExecuteHead, the client's commands as they are, AppendExecuteTail
//                                     -> OK, QUEUED for each but EXEC, then ReadExecute
//   Only after the answers of 1 may 2 be sent: what 1 watches then refuses an EXEC that comes after
//   an UNDO, or after somebody wrote a key past the proxy. To give up after 1, send UNDO and
//   UNWATCH.
// Then AppendUndo -> ReadUndo, or AppendCleanup -> ReadCleanup.
//
// Requests name scripts by their SHA1. A shard that does not know one says NOSCRIPT (IsNoScript)
// and has done nothing: send the same with ScriptForm::kText, which also teaches it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "resp/reply_reader.h"
#include "saga/plan.h"

namespace ringmaster {

enum class ScriptForm : uint8_t { kSha, kText };
bool IsNoScript(Bytes reply);

struct StepLimits {
  uint64_t image_max = uint64_t{1} << 20;  // memory of a value that is copied to an image
};

// What a STEP runs after the old values are safe.
struct StepWork {
  // Whole commands, run in their order; none: the keys are deleted. The first error puts everything
  // back and is the answer. At most 250 words each.
  std::vector<std::vector<Bytes>> commands;
  bool replies =
      false;  // their replies are wanted, also when the step was sent twice (up to 4 KiB)
};

void AppendStep(std::string& out, const SagaPlan& plan, size_t step, const StepWork& work,
                const StepLimits& limits, ScriptForm form);

// The same for a step that gives each of its keys a string (kOverwrite or kCreate), in their order:
// half as dear.
void AppendSetStep(std::string& out, const SagaPlan& plan, size_t step,
                   std::span<const Bytes> values, ScriptForm form);

// The same without a script, for a third of what it costs the shard: MULTI, RENAME of each key to
// its image, SET of the marker, MSET, EXEC. It does not look for an abort mark or a former attempt,
// so it may only be the first that is sent of a step, over a connection whose loss is fenced before
// anything else is sent for that step: an UNDO then comes behind it in the same stream, or when it
// can no longer arrive. What is sent again is the script, which finds the marker. Whether a key
// existed is not in the marker: UNDO deletes one whose image is gone, be it that the old value
// expired or was evicted as an image, or that there was none.
bool CanSetNatively(const SagaStep& step, std::span<const Bytes> values);
void AppendNativeSetStep(std::string& out, const SagaPlan& plan, size_t step,
                         std::span<const Bytes> values);
// How many replies it brings.
size_t NativeSetReplies(const SagaStep& step);

// A copy of a foreign key. `step.copies` and these are the same keys in the same order.
struct CopyPayload {
  Bytes dump;          // of DUMP; empty: there is none, but the execution may make one
  int64_t ttl_ms = 0;  // 0: none
};
void AppendPrepare(std::string& out, const SagaPlan& plan, size_t step,
                   std::span<const CopyPayload> copies, const StepLimits& limits, ScriptForm form);
size_t PrepareReplies(const SagaStep& step);
// MULTI and what comes before the client's commands; so many replies.
void AppendExecuteHead(std::string& out, const SagaPlan& plan, size_t step);
size_t ExecuteHeadReplies(const SagaStep& step);
// One more, PTTL and DUMP of each of `read_back`, which the commands may have written, and EXEC.
void AppendExecuteTail(std::string& out, const SagaPlan& plan, size_t step,
                       std::span<const std::string> read_back = {});

// `force`: overwrites what others wrote since (the operator's ROLLBACK). `tombstone`: leaves the
// abort mark; not needed where all that was sent of the step was sent once and answered.
void AppendUndo(std::string& out, const SagaPlan& plan, size_t step, bool force, ScriptForm form,
                bool tombstone = true);
// Drops images, copies and the marker. `tombstone`: an abort mark takes the marker's place, for
// steps that may have been sent twice and for recovery, where a copy of the request may still be
// under way.
// What a step without copies left behind, as words of a request, and how many they are. `had`: what
// the step said, or empty when that is not known.
size_t AppendLeftNames(std::string& words, const SagaPlan& plan, size_t step, Bytes had);
void AppendCleanup(std::string& out, const SagaPlan& plan, size_t step, bool tombstone,
                   ScriptForm form);

struct StepAnswer {
  enum class Kind : uint8_t {
    kDone,     // ran now, or had run when it was sent before
    kAborted,  // an UNDO came first: did nothing and never will
    kExists,   // a kCreate key exists: did nothing
    kRefused,  // an error, did nothing: `error` is the reply to hand on
    kGarbled,  // no answer of ours: something else answers there; treated as lost
  };
  Kind kind = Kind::kGarbled;
  bool repeated = false;             // it had run before
  std::string had;                   // for each key '1' when it existed
  std::vector<std::string> replies;  // of the commands, as RESP2; empty if not wanted or too large
  std::string error;
};
StepAnswer ReadStep(Bytes reply);
// What the replies to AppendNativeSetStep say.
StepAnswer ReadNativeSetStep(Bytes replies, const SagaStep& step);
// All of PrepareReplies. kDone: go on with the execution. kRefused with NOSCRIPT: the same again
// with ScriptForm::kText.
StepAnswer ReadPrepare(std::span<const std::string> replies);

struct ExecuteAnswer {
  // kAborted: somebody wrote a key, or an UNDO came first; nothing has run.
  StepAnswer::Kind kind = StepAnswer::Kind::kGarbled;
  std::vector<ReplyElement> replies;    // of the client's commands; views into the reply
  std::vector<ReplyElement> read_back;  // of PTTL and DUMP, in turn
  std::string error;                    // of kRefused: EXECABORT; the queueing replies say why
};
ExecuteAnswer ReadExecute(Bytes exec_reply, const SagaStep& step, size_t read_back = 0);

// Carries foreign keys home, over the stream that watches them since they were read: MULTI, a STEP
// unless there is nothing to write (`work` is null), EXEC.
void AppendHome(std::string& out, const SagaPlan& plan, size_t step, const StepWork* work,
                const StepLimits& limits, ScriptForm form);
constexpr size_t HomeReplies(bool writes) { return writes ? 3 : 2; }
// All of HomeReplies. `outdated`: EXEC said nil. IsNoScript(error): nothing ran, and the watch is
// spent.
StepAnswer ReadHome(Bytes replies, bool writes, bool* outdated);

struct UndoAnswer {
  enum class Kind : uint8_t {
    kNotApplied,  // the step had not run, or was undone before; it never will run now
    kUndone,
    kConflict,   // others wrote some keys since; those stay, the rest is undone
    kImageLost,  // an image without time to live is gone (eviction, FLUSHALL); the rest is undone
    kFailed,     // an error: try again later
    kNotNow,     // the shard takes no writes at the moment, whatever they are
  };
  Kind kind = Kind::kFailed;
  std::string keys;   // for each key: 'u' undone, 'c' conflict, 'l' image lost
  std::string error;  // of kFailed and kNotNow
};
UndoAnswer ReadUndo(Bytes reply);
bool ReadCleanup(Bytes reply, std::string* error);

}  // namespace ringmaster
