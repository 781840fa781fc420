// What every shard says of itself, put together: SLOWLOG GET, and the texts of LATENCY DOCTOR,
// MEMORY DOCTOR and their like.
#include <algorithm>

#include "command/handlers.h"
#include "command/recipe.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

constexpr size_t kSlowlogDefault = 10;

struct SlowEntry {
  int64_t at = 0;
  Bytes raw;
};

// How many entries SLOWLOG GET asks for; a wrong count is for a shard to refuse.
size_t SlowlogCount(std::span<const Bytes> args) {
  if (args.size() < 3) return kSlowlogDefault;
  const auto count = ParseInteger(args[2]);
  if (count == -1) return SIZE_MAX;
  return count && *count >= 0 ? static_cast<size_t>(*count) : kSlowlogDefault;
}

Bytes TextOf(const ReplyElement& reply) {
  return reply.type == '=' && reply.text.size() >= 4 ? reply.text.substr(4) : reply.text;
}

}  // namespace

// The entries of all shards, the latest first. An entry's number is its shard's.
Task<std::string> SlowlogGetRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  std::vector<SlowEntry> entries;
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
    for (const ReplyElement& entry : ReadArray(answer.reply)) {
      const std::vector<ReplyElement> fields = ReadArray(entry.raw);
      entries.push_back({fields.size() > 1 ? fields[1].count : 0, entry.raw});
    }
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const SlowEntry& a, const SlowEntry& b) { return a.at > b.at; });
  entries.resize(std::min(entries.size(), SlowlogCount(call.args())));
  std::string reply;
  ReplyWriter(reply, call.resp()).Array(entries.size());
  for (const SlowEntry& entry : entries) reply.append(entry.raw);
  co_return reply;
}

// One text under a heading for each shard. A shard that does not answer says so in its place.
Task<std::string> EachShardsTextRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  if (std::all_of(answers.begin(), answers.end(),
                  [](const Answer& answer) { return answer.is_error(); })) {
    co_return answers.empty() ? "-ERR no shards\r\n" : answers[0].reply;
  }
  std::string text;
  for (uint32_t shard = 0; shard < answers.size() && shard < call.router().shard_count(); ++shard) {
    if (!text.empty()) text += "\n";
    text += "# shard " + call.router().shard_name(shard) + "\n";
    text.append(TextOf(ReadReply(answers[shard].reply)));
    if (!text.ends_with('\n')) text += "\n";
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

}  // namespace ringmaster
