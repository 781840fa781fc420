#include "saga/scripts.h"

#include <algorithm>
#include <array>
#include <optional>

#include "backend/shard_link.h"
#include "base/check.h"
#include "base/sha.h"
#include "resp/request_writer.h"
#include "saga/scripts.lua.h"

namespace ringmaster {
namespace {

struct Script {
  std::string text;
  std::string sha1;

  explicit Script(std::string t) : text(std::move(t)), sha1(Sha1Hex(text)) {}
};

const Script& StepScript() {
  static const Script script(std::string(lua::kPrint) + lua::kLook + lua::kStep);
  return script;
}
const Script& SetStepScript() {
  static const Script script{std::string(lua::kSetStep)};
  return script;
}
const Script& PrepareScript() {
  static const Script script(std::string(lua::kLook) + lua::kPrepare);
  return script;
}
const Script& SealScript() {
  static const Script script(std::string(lua::kAllowOom) + lua::kPrint + lua::kSeal);
  return script;
}
const Script& UndoScript() {
  static const Script script(std::string(lua::kAllowOom) + lua::kPrint + lua::kUndo);
  return script;
}
const Script& CleanupScript() {
  static const Script script(std::string(lua::kAllowOom) + lua::kCleanup);
  return script;
}

// Beyond that the proxy would spend on fingerprints what the shard saves.
constexpr size_t kNativeValue = 4096;
constexpr size_t kNativeKeys = 1000;

// MessagePack (its specification at github.com/msgpack), as much of it as a marker takes.
void PutList(std::string& out, size_t count) {
  if (count < 16) {
    out += static_cast<char>(0x90 | count);
  } else {
    out += '\xdc';
    out += static_cast<char>(count >> 8);
    out += static_cast<char>(count);
  }
}
void PutString(std::string& out, size_t size) {
  if (size < 32) {
    out += static_cast<char>(0xa0 | size);
  } else {
    out += '\xda';
    out += static_cast<char>(size >> 8);
    out += static_cast<char>(size);
  }
}

// What kSetStep would leave, but for what it looks up.
std::string NativeMarker(std::span<const Bytes> values) {
  std::string marker;
  marker.reserve(16 + 48 * values.size());
  marker += "\x97\xa1\x44";  // seven entries, the first "D"
  PutList(marker, values.size());
  for (size_t i = 0; i < values.size(); ++i) marker += "\xa1?";
  PutList(marker, values.size());
  marker.append(values.size(), '\xff');  // -1
  PutList(marker, values.size());
  for (const Bytes value : values) {
    if (value.size() <= 40) {
      PutString(marker, 2 + value.size());
      marker.append("s=").append(value);
    } else {
      const std::string print = Sha1Hex(value);
      PutString(marker, 1 + print.size());
      marker.append("s").append(print);
    }
  }
  PutList(marker, values.size());
  marker.append(values.size(), '\0');
  marker += "\xa0\x90";
  return marker;
}

// Lua can hand on so many words of one command and no more; ours have a handful.
constexpr size_t kMaxWords = 250;

void AppendCall(std::string& out, const Script& script, ScriptForm form, size_t keys,
                size_t arguments) {
  AppendRequestHeader(out, 3 + keys + arguments);
  AppendRequestArg(out, form == ScriptForm::kSha ? "EVALSHA" : "EVAL");
  AppendRequestArg(out, form == ScriptForm::kSha ? script.sha1 : script.text);
  AppendRequestArg(out, std::to_string(keys));
}

void AppendKeysAndImages(std::string& out, const SagaPlan& plan, size_t index) {
  const SagaStep& step = plan.steps[index];
  AppendRequestArg(out, MarkerName(plan.id, index));
  ImageNames images(plan.id, index);
  for (size_t i = 0; i < step.keys.size(); ++i) {
    AppendRequestArg(out, step.keys[i].key);
    AppendRequestArg(out, images.Of(i));
  }
}

std::string Kinds(const SagaStep& step) {
  std::string kinds;
  for (const StepKey& key : step.keys) kinds += static_cast<char>(key.image);
  return kinds;
}

size_t Overwritten(const SagaStep& step) {
  size_t count = 0;
  for (const StepKey& key : step.keys) count += key.image == ImageKind::kOverwrite;
  return count;
}

StepAnswer ErrorAnswer(Bytes reply) {
  StepAnswer answer;
  answer.kind = StepAnswer::Kind::kRefused;
  answer.error = reply;
  return answer;
}

}  // namespace

bool IsNoScript(Bytes reply) { return reply.starts_with("-NOSCRIPT"); }

void AppendStep(std::string& out, const SagaPlan& plan, size_t index, const StepWork& work,
                const StepLimits& limits, ScriptForm form) {
  const SagaStep& step = plan.steps[index];
  size_t words = 0;
  for (const auto& command : work.commands) {
    RM_CHECK(!command.empty() && command.size() <= kMaxWords);
    words += 1 + command.size();
  }
  AppendCall(out, StepScript(), form, 1 + 2 * step.keys.size(), 4 + words);
  AppendKeysAndImages(out, plan, index);
  AppendRequestArg(out, Kinds(step));
  AppendRequestArg(out, std::to_string(limits.image_max));
  AppendRequestArg(out, work.replies ? "1" : "0");
  AppendRequestArg(out, std::to_string(work.commands.size()));
  for (const auto& command : work.commands) {
    AppendRequestArg(out, std::to_string(command.size()));
    for (Bytes word : command) AppendRequestArg(out, word);
  }
}

void AppendSetStep(std::string& out, const SagaPlan& plan, size_t index,
                   std::span<const Bytes> values, ScriptForm form) {
  const SagaStep& step = plan.steps[index];
  RM_CHECK(values.size() == step.keys.size());
  AppendCall(out, SetStepScript(), form, 1 + 2 * step.keys.size(), 1 + values.size());
  AppendKeysAndImages(out, plan, index);
  AppendRequestArg(out, Kinds(step));
  for (Bytes value : values) AppendRequestArg(out, value);
}

bool CanSetNatively(const SagaStep& step, std::span<const Bytes> values) {
  return step.keys.size() <= kNativeKeys &&
         std::all_of(step.keys.begin(), step.keys.end(),
                     [](const StepKey& key) { return key.image == ImageKind::kOverwrite; }) &&
         std::all_of(values.begin(), values.end(),
                     [](Bytes value) { return value.size() <= kNativeValue; });
}

void AppendNativeSetStep(std::string& out, const SagaPlan& plan, size_t index,
                         std::span<const Bytes> values) {
  const SagaStep& step = plan.steps[index];
  RM_CHECK(values.size() == step.keys.size());
  constexpr size_t kBesideKeyAndValue = 112;  // RENAME with its image, the marker's part, lengths
  size_t size = 256;
  for (size_t i = 0; i < values.size(); ++i) {
    size += kBesideKeyAndValue + 2 * step.keys[i].key.size() + 2 * values[i].size();
  }
  out.reserve(out.size() + size);
  out += "*1\r\n$5\r\nMULTI\r\n";
  ImageNames images(plan.id, index);
  for (size_t i = 0; i < step.keys.size(); ++i) {
    // Where there is no such key it answers with an error, and all goes on.
    out += "*3\r\n$6\r\nRENAME\r\n";
    AppendRequestArg(out, step.keys[i].key);
    AppendRequestArg(out, images.Of(i));
  }
  AppendRequestHeader(out, 3);
  AppendRequestArg(out, "SET");
  AppendRequestArg(out, MarkerName(plan.id, index));
  AppendRequestArg(out, NativeMarker(values));
  AppendRequestHeader(out, 1 + 2 * values.size());
  AppendRequestArg(out, "MSET");
  for (size_t i = 0; i < values.size(); ++i) {
    AppendRequestArg(out, step.keys[i].key);
    AppendRequestArg(out, values[i]);
  }
  out += "*1\r\n$4\r\nEXEC\r\n";
}

size_t NativeSetReplies(const SagaStep& step) { return step.keys.size() + 4; }

void AppendPrepare(std::string& out, const SagaPlan& plan, size_t index,
                   std::span<const CopyPayload> copies, const StepLimits& limits, ScriptForm form) {
  const SagaStep& step = plan.steps[index];
  RM_CHECK(copies.size() == step.copies.size());
  // A former attempt on this connection may have left its watches.
  out += MakeRequest({"UNWATCH"});
  if (!step.keys.empty()) {
    AppendRequestHeader(out, 1 + step.keys.size());
    AppendRequestArg(out, "WATCH");
    for (const StepKey& key : step.keys) AppendRequestArg(out, key.key);
  }
  AppendCall(out, PrepareScript(), form, 1 + 2 * step.keys.size() + copies.size(),
             2 + 2 * copies.size());
  AppendKeysAndImages(out, plan, index);
  for (const std::string& copy : step.copies) AppendRequestArg(out, copy);
  AppendRequestArg(out, Kinds(step));
  AppendRequestArg(out, std::to_string(limits.image_max));
  for (const CopyPayload& copy : copies) {
    AppendRequestArg(out, copy.dump);
    AppendRequestArg(out, std::to_string(copy.ttl_ms));
  }
  // From here on an UNDO, which changes the marker, refuses the execution.
  const std::string marker = MarkerName(plan.id, index);
  out += MakeRequest({"WATCH", marker});
  out += MakeRequest({"GET", marker});
}

size_t PrepareReplies(const SagaStep& step) { return step.keys.empty() ? 4 : 5; }

size_t ExecuteHeadReplies(const SagaStep& step) { return 2 + Overwritten(step); }

void AppendExecuteHead(std::string& out, const SagaPlan& plan, size_t index) {
  const SagaStep& step = plan.steps[index];
  out += MakeRequest({"MULTI"});
  out += MakeRequest({"APPEND", MarkerName(plan.id, index), "X"});
  for (size_t i = 0; i < step.keys.size(); ++i) {
    if (step.keys[i].image != ImageKind::kOverwrite) continue;
    // Where there is no such key it answers with an error, and all goes on.
    out += MakeRequest({"RENAME", step.keys[i].key, ImageName(plan.id, index, i)});
  }
}

void AppendExecuteTail(std::string& out, const SagaPlan& plan, size_t index,
                       std::span<const std::string> read_back) {
  const SagaStep& step = plan.steps[index];
  AppendCall(out, SealScript(), ScriptForm::kText, 1 + step.keys.size(), 0);
  AppendRequestArg(out, MarkerName(plan.id, index));
  for (const StepKey& key : step.keys) AppendRequestArg(out, key.key);
  for (const std::string& key : read_back) {
    out += MakeRequest({"PTTL", key});
    out += MakeRequest({"DUMP", key});
  }
  out += MakeRequest({"EXEC"});
}

void AppendHome(std::string& out, const SagaPlan& plan, size_t index, const StepWork* work,
                const StepLimits& limits, ScriptForm form) {
  out += MakeRequest({"MULTI"});
  if (work != nullptr) AppendStep(out, plan, index, *work, limits, form);
  out += MakeRequest({"EXEC"});
}

void AppendUndo(std::string& out, const SagaPlan& plan, size_t index, bool force, ScriptForm form,
                bool tombstone) {
  const SagaStep& step = plan.steps[index];
  AppendCall(out, UndoScript(), form, 1 + 2 * step.keys.size() + step.copies.size(), 3);
  AppendKeysAndImages(out, plan, index);
  for (const std::string& copy : step.copies) AppendRequestArg(out, copy);
  AppendRequestArg(out, std::to_string(step.keys.size()));
  AppendRequestArg(out, force ? "1" : "0");
  AppendRequestArg(out, tombstone ? "1" : "0");
}

size_t AppendLeftNames(std::string& words, const SagaPlan& plan, size_t index, Bytes had) {
  const size_t images = plan.steps[index].keys.size();
  const bool known = had.size() == images && had.find('?') == Bytes::npos;
  size_t count = 1;
  AppendRequestArg(words, MarkerName(plan.id, index));
  ImageNames names(plan.id, index);
  for (size_t i = 0; i < images; ++i) {
    if (known && had[i] == '0') continue;
    AppendRequestArg(words, names.Of(i));
    ++count;
  }
  return count;
}

void AppendCleanup(std::string& out, const SagaPlan& plan, size_t index, bool tombstone,
                   ScriptForm form) {
  const SagaStep& step = plan.steps[index];
  const size_t images = step.keys.size();
  if (!tombstone && step.copies.empty()) {  // names of ours alone: the cheap way
    AppendRequestHeader(out, 2 + images);
    AppendRequestArg(out, "UNLINK");
    AppendLeftNames(out, plan, index, {});
    return;
  }
  AppendCall(out, CleanupScript(), form, 1 + images + step.copies.size(), 2);
  AppendRequestArg(out, MarkerName(plan.id, index));
  for (size_t i = 0; i < images; ++i) AppendRequestArg(out, ImageName(plan.id, index, i));
  for (const std::string& copy : step.copies) AppendRequestArg(out, copy);
  AppendRequestArg(out, std::to_string(images));
  AppendRequestArg(out, tombstone ? "1" : "0");
}

StepAnswer ReadStep(Bytes reply) {
  const ReplyElement whole = ReadReply(reply);
  if (whole.is_error()) return ErrorAnswer(reply);
  StepAnswer answer;
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.empty()) return answer;
  const Bytes word = parts[0].text;
  if (word == "ABORTED") {
    answer.kind = StepAnswer::Kind::kAborted;
  } else if (word == "EXISTS") {
    answer.kind = StepAnswer::Kind::kExists;
  } else if ((word == "OK" || word == "DUP") && parts.size() >= 2) {
    answer.kind = StepAnswer::Kind::kDone;
    answer.repeated = word == "DUP";
    answer.had = parts[1].text;
    if (parts.size() < 3 || !parts[2].is_aggregate()) return answer;
    ReplyReader replies = ReplyReader::Children(parts[2]);
    while (auto each = replies.Next()) answer.replies.emplace_back(each->raw);
  }
  return answer;
}

StepAnswer ReadNativeSetStep(Bytes replies, const SagaStep& step) {
  ReplyReader reader(replies);
  std::optional<ReplyElement> last;
  StepAnswer refusal;
  for (size_t i = 0; i < NativeSetReplies(step); ++i) {
    last = reader.Next();
    if (!last) return {};
    if (last->is_error() && refusal.error.empty()) refusal = ErrorAnswer(last->raw);
  }
  // EXEC says EXECABORT then, and nothing ran.
  if (!refusal.error.empty()) return refusal;
  if (!last->is_aggregate() || last->is_null()) return {};
  StepAnswer answer;
  ReplyReader results = ReplyReader::Children(*last);
  for (size_t i = 0; i < step.keys.size(); ++i) {
    const std::optional<ReplyElement> renamed = results.Next();
    if (!renamed) return {};
    answer.had += renamed->is_error() ? '0' : '1';
  }
  for (int i = 0; i < 2; ++i) {
    const std::optional<ReplyElement> set = results.Next();
    if (!set || set->text != "OK") return {};
  }
  answer.kind = StepAnswer::Kind::kDone;
  return answer;
}

StepAnswer ReadPrepare(std::span<const std::string> replies) {
  if (replies.size() < 4) return {};
  StepAnswer answer = ReadStep(replies[replies.size() - 3]);
  if (answer.kind != StepAnswer::Kind::kDone) return answer;
  // It is never sent twice, so a marker that is there already is not of this attempt.
  if (answer.repeated) answer.kind = StepAnswer::Kind::kGarbled;
  for (size_t i = 0; i < replies.size(); ++i) {
    if (i != replies.size() - 3 && i != replies.size() - 1 && replies[i] != "+OK\r\n") {
      answer.kind = StepAnswer::Kind::kGarbled;
    }
  }
  const ReplyElement marker = ReadReply(replies.back());
  if (marker.type == 0 || marker.is_error()) answer.kind = StepAnswer::Kind::kGarbled;
  if (marker.is_null() || marker.text == "A") answer.kind = StepAnswer::Kind::kAborted;
  return answer;
}

StepAnswer ReadHome(Bytes replies, bool writes, bool* outdated) {
  *outdated = false;
  ReplyReader reader(replies);
  std::optional<ReplyElement> last;
  std::optional<Bytes> refusal;
  for (size_t i = 0; i < HomeReplies(writes); ++i) {
    last = reader.Next();
    if (!last) return {};
    if (last->is_error() && !refusal) refusal = last->raw;
  }
  // EXEC says EXECABORT then, and nothing ran.
  if (refusal) return ErrorAnswer(*refusal);
  if (!last->is_aggregate() && !last->is_null()) return {};
  if (last->is_null()) {
    *outdated = true;
    StepAnswer answer;
    answer.kind = StepAnswer::Kind::kRefused;
    return answer;
  }
  if (writes) {
    const std::optional<ReplyElement> step = ReplyReader::Children(*last).Next();
    return step ? ReadStep(step->raw) : StepAnswer();
  }
  StepAnswer answer;
  answer.kind = StepAnswer::Kind::kDone;
  return answer;
}

ExecuteAnswer ReadExecute(Bytes exec_reply, const SagaStep& step, size_t read_back) {
  ExecuteAnswer answer;
  const ReplyElement whole = ReadReply(exec_reply);
  if (whole.is_error()) {
    answer.kind = StepAnswer::Kind::kRefused;
    answer.error = exec_reply;
    return answer;
  }
  if (whole.is_null()) {
    answer.kind = StepAnswer::Kind::kAborted;
    return answer;
  }
  std::vector<ReplyElement> replies = ReadArray(exec_reply);
  const size_t before = 1 + Overwritten(step);
  const size_t after = 1 + 2 * read_back;
  if (replies.size() < before + after || replies[0].type != ':') return answer;
  const auto seal = replies.end() - static_cast<ptrdiff_t>(after);
  if (seal->text != "OK") return answer;
  answer.kind = StepAnswer::Kind::kDone;
  answer.replies.assign(replies.begin() + static_cast<ptrdiff_t>(before), seal);
  answer.read_back.assign(seal + 1, replies.end());
  return answer;
}

UndoAnswer ReadUndo(Bytes reply) {
  using Kind = UndoAnswer::Kind;
  UndoAnswer answer;
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.size() != 2) {
    // It will take them again, or another server will in its place: the promoted one, say, that
    // waits for a replica of its own.
    const std::optional<ShardRefusal> refusal = RefusalOf(reply);
    const bool not_now = refusal && refusal != ShardRefusal::kOutOfMemory;
    answer.kind = not_now ? Kind::kNotNow : Kind::kFailed;
    answer.error = reply;
    return answer;
  }
  static constexpr std::array<std::pair<Bytes, Kind>, 4> kWords = {
      {{"NOTAPPLIED", Kind::kNotApplied},
       {"UNDONE", Kind::kUndone},
       {"CONFLICT", Kind::kConflict},
       {"IMAGELOST", Kind::kImageLost}}};
  for (const auto& [word, kind] : kWords) {
    if (parts[0].text == word) answer.kind = kind;
  }
  answer.keys = parts[1].text;
  if (answer.kind == Kind::kFailed) answer.error = reply;
  return answer;
}

bool ReadCleanup(Bytes reply, std::string* error) {
  const ReplyElement whole = ReadReply(reply);
  if (whole.type == ':' || whole.text == "OK") return true;
  if (error != nullptr) *error = reply;
  return false;
}

}  // namespace ringmaster
