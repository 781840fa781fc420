// What every shard says of itself, put together: the texts of LATENCY DOCTOR,
// MEMORY DOCTOR and their like.
#include <algorithm>

#include "command/serve/recipe.h"
#include "command/whole/handlers.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

Bytes TextOf(const ReplyElement& reply) {
  return reply.type == '=' && reply.text.size() >= 4 ? reply.text.substr(4) : reply.text;
}

}  // namespace

// One text under a heading for each shard. A shard that does not answer says so in its place.
Task<std::string> EachShardsTextRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  if (std::all_of(answers.begin(), answers.end(),
                  [](const Answer& answer) { return answer.is_error(); })) {
    co_return answers.empty() ? "-ERR no shards\r\n" : answers[0].reply;
  }
  std::string text;
  for (uint32_t shard = 0; shard < answers.size() && shard < call.routes().shard_count(); ++shard) {
    if (!text.empty()) text += "\n";
    text += "# shard " + call.routes().shard_name(shard) + "\n";
    text.append(TextOf(ReadReply(answers[shard].reply)));
    if (!text.ends_with('\n')) text += "\n";
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Verbatim("txt", text);
  co_return reply;
}

}  // namespace ringmaster
