#include "saga/scripts.h"

#include <array>
#include <bit>

#include "base/check.h"
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
  for (size_t i = 0; i < step.keys.size(); ++i) {
    AppendRequestArg(out, step.keys[i].key);
    AppendRequestArg(out, ImageName(plan.id, index, i));
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

void AppendExecuteTail(std::string& out, const SagaPlan& plan, size_t index) {
  const SagaStep& step = plan.steps[index];
  AppendCall(out, SealScript(), ScriptForm::kText, 1 + step.keys.size(), 0);
  AppendRequestArg(out, MarkerName(plan.id, index));
  for (const StepKey& key : step.keys) AppendRequestArg(out, key.key);
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

void AppendCleanup(std::string& out, const SagaPlan& plan, size_t index, bool tombstone,
                   ScriptForm form) {
  const SagaStep& step = plan.steps[index];
  const size_t images = step.keys.size();
  if (tombstone || !step.copies.empty()) {
    AppendCall(out, CleanupScript(), form, 1 + images + step.copies.size(), 2);
  } else {  // names of ours alone: the cheap way
    AppendRequestHeader(out, 2 + images);
    AppendRequestArg(out, "UNLINK");
  }
  AppendRequestArg(out, MarkerName(plan.id, index));
  for (size_t i = 0; i < images; ++i) AppendRequestArg(out, ImageName(plan.id, index, i));
  if (!tombstone && step.copies.empty()) return;
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

ExecuteAnswer ReadExecute(Bytes exec_reply, const SagaStep& step) {
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
  if (replies.size() < before + 1 || replies[0].type != ':' || replies.back().text != "OK") {
    return answer;
  }
  answer.kind = StepAnswer::Kind::kDone;
  answer.replies.assign(replies.begin() + static_cast<ptrdiff_t>(before), replies.end() - 1);
  return answer;
}

UndoAnswer ReadUndo(Bytes reply) {
  UndoAnswer answer;
  const std::vector<ReplyElement> parts = ReadArray(reply);
  if (parts.size() != 2) {
    answer.error = reply;
    return answer;
  }
  using Kind = UndoAnswer::Kind;
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

std::string Sha1Hex(Bytes text) {
  std::array<uint32_t, 5> state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::string padded(text);
  padded += '\x80';
  while (padded.size() % 64 != 56) padded += '\0';
  for (int shift = 56; shift >= 0; shift -= 8) {
    padded += static_cast<char>((uint64_t{text.size()} * 8) >> shift);
  }
  std::array<uint32_t, 80> w;
  for (size_t at = 0; at < padded.size(); at += 64) {
    for (size_t i = 0; i < 16; ++i) {
      w[i] = 0;
      for (size_t j = 0; j < 4; ++j)
        w[i] = w[i] << 8 | static_cast<uint8_t>(padded[at + 4 * i + j]);
    }
    for (size_t i = 16; i < 80; ++i)
      w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = state;
    for (size_t i = 0; i < 80; ++i) {
      const uint32_t mix = i < 20   ? (b & c) | (~b & d)
                           : i < 40 ? b ^ c ^ d
                           : i < 60 ? (b & c) | (b & d) | (c & d)
                                    : b ^ c ^ d;
      static constexpr std::array<uint32_t, 4> kRound = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc,
                                                         0xca62c1d6};
      const uint32_t next = std::rotl(a, 5) + mix + e + kRound[i / 20] + w[i];
      e = d, d = c, c = std::rotl(b, 30), b = a, a = next;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
  }
  std::string hex;
  for (uint32_t word : state) {
    for (int shift = 28; shift >= 0; shift -= 4) hex += "0123456789abcdef"[word >> shift & 15];
  }
  return hex;
}

}  // namespace ringmaster
