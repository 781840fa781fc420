#include "command/push/push_hub.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/reserved_keys.h"
#include "command/call/request.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/reply_writer.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr Bytes kSubscribed[] = {"subscribe", "psubscribe", "ssubscribe"};
constexpr Bytes kUnsubscribed[] = {"unsubscribe", "punsubscribe", "sunsubscribe"};
// How long a name's old shard is listened to after it moved to another.
constexpr Duration kOldShard = std::chrono::seconds(5);

size_t Index(PushKind kind) { return static_cast<size_t>(kind); }

// Redis publishes these on the server whose key changed.
bool IsKeyspaceChannel(Bytes name) {
  return name.starts_with("__keyspace@") || name.starts_with("__keyevent@");
}

// A keyspace notification about a key of the proxy's. `rest` is what follows the name.
bool TellsOfReservedKey(Bytes what, Bytes name, ReplyReader rest) {
  Bytes channel = name;
  if (what == "pmessage") {
    const std::optional<ReplyElement> told = rest.Next();
    if (!told) return false;
    channel = told->text;
  }
  const size_t colon = channel.find(':');
  if (colon == Bytes::npos) return false;
  if (!IsKeyspaceChannel(channel)) return false;
  if (channel.starts_with("__keyspace@")) return IsReserved(channel.substr(colon + 1));
  const std::optional<ReplyElement> key = rest.Next();
  return key && IsReserved(key->text);
}

void AppendConfirmation(std::string& reply, int resp, Bytes what, const std::string* name,
                        size_t count) {
  ReplyWriter out(reply, resp);
  out.Push(3);
  out.Bulk(what);
  if (name == nullptr) {
    out.Null();
  } else {
    out.Bulk(*name);
  }
  out.Integer(static_cast<int64_t>(count));
}

std::vector<std::string> NamesOf(const Call& call) {
  std::vector<std::string> names;
  for (const Bytes arg : call.args.subspan(1)) names.emplace_back(arg);
  return names;
}

}  // namespace

PushHub::PushHub(CommandContext& context, std::shared_ptr<PushCounts> counts)
    : context_(context), counts_(std::move(counts)) {}

PushHub::~PushHub() = default;

bool PushHub::Admits(const ClientState& client, const Command& command) {
  if (client.resp != 2 || !client.push->subscriber()) return true;
  const Bytes name = command.row->name;
  return name.ends_with("subscribe") || name == "ping" || name == "quit" || name == "reset";
}

std::shared_ptr<PushClient> PushHub::ClientOf(ClientView& client) {
  std::shared_ptr<PushClient>& push = client.state().push;
  if (push == nullptr) {
    push = std::make_shared<PushClient>();
    push->id = client.state().id;
    push->view = &client;
  }
  return push;
}

void PushHub::Settle(ClientState& client) {
  if (client.push != nullptr && client.push->idle()) client.push.reset();
}

bool PushHub::OnEveryShard(PushKind kind, Bytes name) const {
  return kind == PushKind::kPattern || (kind == PushKind::kChannel && IsKeyspaceChannel(name));
}

void PushHub::MakeFeeds() {
  if (!feeds_.empty()) return;
  for (uint32_t shard = 0; shard < context_.router.shard_count(); ++shard) {
    feeds_.push_back(std::make_unique<ShardFeed>(
        context_.router.backend(shard), context_.blocks, context_.scatters.max_reply(),
        [this](const Slice& message) { OnMessage(message); }));
  }
}

std::vector<ShardFeed*> PushHub::FeedsOf(PushKind kind, Bytes name) {
  MakeFeeds();
  if (!OnEveryShard(kind, name)) return {feeds_[context_.router.ShardOf(name)].get()};
  std::vector<ShardFeed*> all;
  for (const auto& feed : feeds_) all.push_back(feed.get());
  return all;
}

void PushHub::Send() {
  for (const auto& feed : feeds_) feed->Send();
}

// --- subscriptions ---

PushHub::Topic& PushHub::Hold(PushKind kind, Bytes name, const Wait& wait) {
  const auto [at, fresh] = topics_[Index(kind)].try_emplace(std::string(name));
  Topic& topic = at->second;
  if (fresh) topic.feeds = FeedsOf(kind, name);
  ++topic.references;
  for (ShardFeed* feed : topic.feeds) feed->Add(kind, name, wait);
  return topic;
}

void PushHub::Release(PushKind kind, Bytes name, const Wait& wait) {
  const auto at = topics_[Index(kind)].find(name);
  if (at == topics_[Index(kind)].end() || --at->second.references > 0) return;
  for (ShardFeed* feed : at->second.feeds) feed->Remove(kind, name, wait);
  if (at->second.counted) counts_->Add(kind, name, {.connections = -1});
  topics_[Index(kind)].erase(at);
}

// False when the client has it already.
// limits.memory counts the names that a client subscribed.
void PushHub::CountName(PushClient& client, Bytes name, bool added) {
  constexpr size_t kNode = 96;
  const size_t bytes = name.size() + kNode;
  client.name_bytes = added ? client.name_bytes + bytes : client.name_bytes - bytes;
  client.charge.Set(context_.blocks, client.name_bytes);
}

bool PushHub::Register(PushClient& client, PushKind kind, const std::string& name) {
  if (!client.of(kind).insert(name).second) return false;
  CountName(client, name, true);
  Topic& topic = topics_[Index(kind)].find(name)->second;
  topic.clients.push_back(&client);
  counts_->Add(kind, name, {.clients = 1, .connections = topic.counted ? 0 : 1});
  topic.counted = true;
  return true;
}

// False when the client does not have it.
bool PushHub::Deregister(PushClient& client, PushKind kind, Bytes name, const Wait& wait) {
  const auto mine = client.of(kind).find(name);
  if (mine == client.of(kind).end()) return false;
  std::vector<PushClient*>& clients = topics_[Index(kind)].find(name)->second.clients;
  const auto at = std::find(clients.begin(), clients.end(), &client);
  *at = clients.back();
  clients.pop_back();
  counts_->Add(kind, name, {.clients = -1});
  Release(kind, name, wait);
  CountName(client, *mine, false);
  client.of(kind).erase(mine);
  return true;
}

void PushHub::Subscribe(Call& call, PushKind kind) {
  if (call.view == nullptr) {
    return AnswerHere(call.exchange,
                      errors::Refused(call.command.full_name, "must be sent directly"));
  }
  // Confirmations are messages: CLIENT REPLY OFF does not hold them.
  Request::Of(call.exchange).silent = false;
  tasks_.Add(
      RunSubscribe(ClientOf(*call.view), kind, NamesOf(call), call.exchange, call.client.resp));
}

Task<void> PushHub::RunSubscribe(std::shared_ptr<PushClient> who, PushKind kind,
                                 std::vector<std::string> names, Exchange& exchange, int resp) {
  std::vector<Wait> waits;
  for (const std::string& name : names) {
    // Held open by us until all is asked.
    waits.push_back(std::make_shared<Confirmation>());
    waits.back()->left = 1;
    Hold(kind, name, waits.back());
  }
  Send();
  std::string reply;
  for (size_t i = 0; i < names.size(); ++i) {
    waits[i]->Arrive("");
    co_await waits[i]->done;
    const bool there = who->view != nullptr && waits[i]->error.empty();
    if (!there || !Register(*who, kind, names[i])) Release(kind, names[i], nullptr);
    if (!waits[i]->error.empty()) {
      reply += waits[i]->error;
    } else {
      AppendConfirmation(reply, resp, kSubscribed[Index(kind)], &names[i], who->CountFor(kind));
    }
  }
  Send();
  if (who->view != nullptr) Settle(who->view->state());
  AnswerHere(exchange, reply);
}

void PushHub::Unsubscribe(Call& call, PushKind kind) {
  std::vector<std::string> names = NamesOf(call);
  if (call.view != nullptr) Request::Of(call.exchange).silent = false;
  if (call.view == nullptr || call.client.push == nullptr) {
    std::string reply;
    const Bytes what = kUnsubscribed[Index(kind)];
    for (const std::string& name : names) {
      AppendConfirmation(reply, call.client.resp, what, &name, 0);
    }
    if (names.empty()) AppendConfirmation(reply, call.client.resp, what, nullptr, 0);
    return AnswerHere(call.exchange, reply);
  }
  if (names.empty()) {
    const PushClient::Names& all = call.client.push->of(kind);
    names.assign(all.begin(), all.end());
  }
  tasks_.Add(
      RunUnsubscribe(call.client.push, kind, std::move(names), call.exchange, call.client.resp));
}

// The reply waits for the shards, so that PUBSUB shows nothing of it afterwards.
Task<void> PushHub::RunUnsubscribe(std::shared_ptr<PushClient> who, PushKind kind,
                                   std::vector<std::string> names, Exchange& exchange, int resp) {
  const auto wait = std::make_shared<Confirmation>();
  wait->left = 1;
  std::string reply;
  const Bytes what = kUnsubscribed[Index(kind)];
  for (const std::string& name : names) {
    Deregister(*who, kind, name, wait);
    AppendConfirmation(reply, resp, what, &name, who->CountFor(kind));
  }
  if (names.empty()) AppendConfirmation(reply, resp, what, nullptr, who->CountFor(kind));
  Send();
  wait->Arrive("");
  co_await wait->done;
  if (who->view != nullptr) Settle(who->view->state());
  AnswerHere(exchange, reply);
}

void PushHub::Leave(ClientState& client) {
  const std::shared_ptr<PushClient> who = std::exchange(client.push, nullptr);
  if (who == nullptr) return;
  who->view = nullptr;
  if (std::exchange(who->targeted, false)) targets_.erase(who->id);
  std::erase(tracking_, who);
  who->tracking.reset();
  for (const PushKind kind : {PushKind::kChannel, PushKind::kPattern, PushKind::kShardChannel}) {
    while (!who->of(kind).empty()) {
      const std::string name = *who->of(kind).begin();
      Deregister(*who, kind, name, nullptr);
    }
  }
  Send();
  if (std::exchange(who->monitor, nullptr) == nullptr) return;
  std::erase(monitoring_, who);
  MonitorLeft();
}

// It is still the one that another client named.
void PushHub::Reset(ClientState& client) {
  ClientView& view = *client.push->view;
  const bool targeted = client.push->targeted;
  Leave(client);
  if (targeted) MakeTarget(view);
}

// --- messages ---

void PushHub::OnMessage(const Slice& message) {
  ReplyReader reader = ReplyReader::Children(ReadReply(message.bytes));
  const auto what = reader.Next();
  const auto name = reader.Next();
  if (!what || !name || TellsOfReservedKey(what->text, name->text, reader)) return;
  if (what->text == "message") {
    Deliver(PushKind::kChannel, name->text, message);
  } else if (what->text == "pmessage") {
    Deliver(PushKind::kPattern, name->text, message);
  } else if (what->text == "smessage") {
    Deliver(PushKind::kShardChannel, name->text, message);
  }
}

void PushHub::Deliver(PushKind kind, Bytes name, const Slice& message) {
  const auto topic = topics_[Index(kind)].find(name);
  if (topic == topics_[Index(kind)].end()) return;
  Slice resp2;  // the same as an array, made when somebody needs it
  for (PushClient* client : topic->second.clients) {
    if (client->view->state().resp == 3) {
      client->view->Push(message);
      continue;
    }
    if (resp2.bytes.empty()) {
      resp2 = context_.blocks.Copy(message.bytes);
      resp2.block.data()[0] = '*';
    }
    client->view->Push(resp2);
  }
}

void PushHub::Publish(Call& call, PushKind kind) {
  Slice request = call.wire;
  if (request.bytes.empty()) {
    context_.scratch.clear();
    AppendRequest(context_.scratch, call.args);
    request = Slice{context_.scratch, {}};
  }
  Connection& connection = context_.router.backend(context_.router.ShardOf(call.args[1]))
                               .Shared(call.client.database, call.client.resp);
  if (counts_->empty()) {
    call.exchange.request = request;
    return connection.Send(call.exchange);
  }
  // The shard counts connections, and of ours the clients are meant.
  auto count = [counts = counts_, kind, channel = std::string(call.args[1]),
                &parent = call.exchange](Outcome outcome, std::string reply) {
    const ReplyElement answer = ReadReply(reply);
    if (answer.type == ':') {
      const PushCounts::Figures ours = counts->Receivers(kind, channel);
      const int64_t others = std::max<int64_t>(0, answer.count - ours.connections);
      reply.clear();
      ReplyWriter(reply, 2).Integer(others + ours.clients);
    }
    parent.outcome = outcome;
    AnswerHere(parent, reply);
  };
  context_.router.context().asides.Send(connection, request, {}, std::move(count));
}

// --- changes around us ---

void PushHub::Tick(TimePoint now) {
  if (scripts_ != nullptr) scripts_->Tick();
  for (const auto& feed : feeds_) feed->Tick(now);
  // By index: a client may be closed for what is found.
  for (size_t i = 0; i < tracking_.size(); ++i) {
    if (tracking_[i]->tracking != nullptr) tracking_[i]->tracking->Tick(now);
  }
  if (endings_.empty() && leaving_.empty()) return;
  std::vector<Ending> later;
  for (Ending& ending : endings_) {
    const auto topic = topics_[Index(ending.kind)].find(ending.name);
    // It may have come back.
    const bool used = topic != topics_[Index(ending.kind)].end() &&
                      std::find(topic->second.feeds.begin(), topic->second.feeds.end(),
                                ending.feed) != topic->second.feeds.end();
    if (used) continue;
    if (ending.at > now) {
      later.push_back(std::move(ending));
    } else {
      ending.feed->Remove(ending.kind, ending.name, nullptr);
    }
  }
  endings_ = std::move(later);
  Send();
  if (leaving_until_ > now) return;
  for (const auto& feed : leaving_) past_losses_ += feed->losses();
  leaving_.clear();
}

void PushHub::TopologyChanged() {
  // By index: a client may be closed for what is found.
  for (size_t i = 0; i < tracking_.size(); ++i) {
    if (tracking_[i]->tracking != nullptr) tracking_[i]->tracking->TopologyChanged();
  }
  if (scripts_ != nullptr) scripts_->TopologyChanged();
  if (feeds_.empty()) return;
  std::vector<std::unique_ptr<ShardFeed>> before = std::exchange(feeds_, {});
  MakeFeeds();
  for (auto& feed : before) {
    const auto same = std::find_if(feeds_.begin(), feeds_.end(), [&](const auto& fresh) {
      return &fresh->backend() == &feed->backend();
    });
    if (same != feeds_.end()) {
      *same = std::move(feed);
    } else {
      leaving_.push_back(std::move(feed));
    }
  }
  const TimePoint end = context_.proxy.Now() + kOldShard;
  leaving_until_ = end + kOldShard;
  for (const PushKind kind : {PushKind::kChannel, PushKind::kPattern, PushKind::kShardChannel}) {
    for (auto& [name, topic] : topics_[Index(kind)]) {
      const std::vector<ShardFeed*> old = std::exchange(topic.feeds, FeedsOf(kind, name));
      for (ShardFeed* feed : topic.feeds) {
        if (std::find(old.begin(), old.end(), feed) == old.end()) feed->Add(kind, name, nullptr);
      }
      for (ShardFeed* feed : old) {
        const auto kept = std::find(topic.feeds.begin(), topic.feeds.end(), feed);
        if (kept == topic.feeds.end()) endings_.push_back({end, feed, kind, name});
      }
    }
  }
  Send();
}

uint64_t PushHub::losses() const {
  uint64_t sum = past_losses_;
  for (const auto& feed : feeds_) sum += feed->losses();
  return sum;
}

}  // namespace ringmaster
