// What the rows of pub/sub and MONITOR name: a client's own part is PushHub's, PUBSUB asks the
// shards, whose figures are put right by ours.
#include <algorithm>
#include <set>

#include "command/push/handlers.h"
#include "command/push/push_hub.h"
#include "command/serve/recipe.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"

namespace ringmaster {
namespace {

PushHub& Hub(Call& call) { return *call.context.push; }

// SHARDCHANNELS and SHARDNUMSUB are about the other kind.
PushKind KindOf(const RecipeCall& call) {
  return Bytes(call.command().row->name).starts_with("shard") ? PushKind::kShardChannel
                                                              : PushKind::kChannel;
}

}  // namespace

void SubscribeStart(Call& call) { Hub(call).Subscribe(call, PushKind::kChannel); }
void PSubscribeStart(Call& call) { Hub(call).Subscribe(call, PushKind::kPattern); }
void SSubscribeStart(Call& call) { Hub(call).Subscribe(call, PushKind::kShardChannel); }
void UnsubscribeStart(Call& call) { Hub(call).Unsubscribe(call, PushKind::kChannel); }
void PUnsubscribeStart(Call& call) { Hub(call).Unsubscribe(call, PushKind::kPattern); }
void SUnsubscribeStart(Call& call) { Hub(call).Unsubscribe(call, PushKind::kShardChannel); }
void PublishStart(Call& call) { Hub(call).Publish(call, PushKind::kChannel); }
void SPublishStart(Call& call) { Hub(call).Publish(call, PushKind::kShardChannel); }
void ClientTrackingStart(Call& call) { Hub(call).Track(call); }
void MonitorStart(Call& call) { Hub(call).Monitor(call); }

// Each name once: those of keyspace notifications are subscribed on every shard.
Task<std::string> PubsubChannelsRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  std::set<std::string> names;
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
    for (const ReplyElement& name : ReadArray(answer.reply)) names.emplace(name.text);
  }
  std::string reply;
  ReplyWriter out(reply, call.resp());
  out.Array(names.size());
  for (const std::string& name : names) out.Bulk(name);
  co_return reply;
}

// A shard counts our connections as one subscriber each; our clients are meant in their place.
Task<std::string> PubsubNumSubRecipe(RecipeCall& call) {
  const PushKind kind = KindOf(call);
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  const PushHub& hub = *call.context().push;
  const std::span<const Bytes> names = call.args().subspan(2);
  std::vector<int64_t> others(names.size());
  for (uint32_t shard = 0; shard < answers.size(); ++shard) {
    if (answers[shard].is_error()) co_return answers[shard].reply;
    const std::vector<ReplyElement> fields = ReadArray(answers[shard].reply);
    for (size_t i = 0; i < names.size() && 2 * i + 1 < fields.size(); ++i) {
      if (!hub.OnEveryShard(kind, names[i]) && call.routes().ShardOf(names[i]) != shard) continue;
      const int64_t ours = hub.counts().Of(kind, names[i]).connections;
      others[i] = std::max(others[i], fields[2 * i + 1].count - ours);
    }
  }
  std::string reply;
  ReplyWriter out(reply, call.resp());
  out.Array(2 * names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    out.Bulk(names[i]);
    out.Integer(others[i] + hub.counts().Of(kind, names[i]).clients);
  }
  co_return reply;
}

// Ours are on every shard; whoever subscribes a pattern past the proxy has to do it on each, too.
Task<std::string> PubsubNumPatRecipe(RecipeCall& call) {
  const std::vector<Answer> answers = co_await call.AskAll(call.wire(), true);
  int64_t most = 0;
  for (const Answer& answer : answers) {
    if (answer.is_error()) co_return answer.reply;
    most = std::max(most, ReadReply(answer.reply).count);
  }
  std::string reply;
  ReplyWriter(reply, call.resp()).Integer(most);
  co_return reply;
}

}  // namespace ringmaster
