#include "command/serve/decide.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>

#include "command/multikey/placed_transaction.h"
#include "command/multikey/stretches.h"
#include "command/operator/explain.h"
#include "command/serve/dispatch.h"
#include "command/serve/saga_rules.h"
#include "command/table/keys.h"
#include "support/data_plane.h"
#include "support/idle_sagas.h"
#include "support/stand_ins.h"

namespace ringmaster {
namespace {

using Kind = Decision::Kind;
using Where = PlacedTransaction::Where;
using Words = std::vector<std::string>;

constexpr size_t kShards = 3;
constexpr char kFromShard[] = "+shard\r\n";

std::string Joined(const Words& words) {
  std::string all;
  for (const std::string& word : words) {
    all += all.empty() ? "" : " ";
    all += word.size() > 64 ? "<" + std::to_string(word.size()) + ">" : word;
  }
  return all;
}

// Three shards that answer everything with kFromShard, and real rows without what serves them.
class DecideTest : public testing::Test, private Sink {
 protected:
  DecideTest() {
    for (const auto& shard : plane_.shards) {
      shard->answer = [](const std::string&) { return kFromShard; };
    }
    limited_ = std::make_unique<AclUser>("limited", plane_.table);
    limited_->Apply(plane_.table, "+@all");
    limited_->Apply(plane_.table, "~k*");
  }

  CommandContext& context() { return plane_.commands; }
  std::string KeyOn(uint32_t shard, int nth = 0) {
    for (int i = 0;; ++i) {
      const std::string key = "k" + std::to_string(i);
      if (plane_.router.ShardOf(key) == shard && nth-- == 0) return key;
    }
  }
  const Command& Find(const Words& words) { return *plane_.table.Find(Views(words)); }
  static std::vector<Bytes> Views(const Words& words) { return {words.begin(), words.end()}; }
  Decision Ask(const Words& words, Asked asked = {}) {
    const std::vector<Bytes> args = Views(words);
    return Decide(context(), Find(words), args, asked);
  }
  Decision Ask(const Words& words, const ClientState& client) {
    return Ask(words, AskedBy(client));
  }

  // What the shards were sent since the last call, and nothing of it twice.
  std::vector<std::string> SentToShards() {
    std::vector<std::string> sent;
    for (const auto& shard : plane_.shards) {
      sent.push_back(shard->Requests());
      for (const auto& peer : shard->peers) peer->requests.clear();
    }
    return sent;
  }
  // What dispatch does with the call: its reply. `client` hears whether it went alone.
  std::string Dispatched(const Words& words, ClientState& client) {
    reply_.clear();
    client.goes_alone = false;
    Request request;
    request.sink = this;
    const std::vector<Bytes> args = Views(words);
    Call call{args, Slice(), Find(words), client, context(), request};
    DispatchNow(call);
    for (int turn = 0; turn < 100 && reply_.empty(); ++turn) plane_.Turn();
    return reply_;
  }
  // The line of EXPLAIN that says how the call is served.
  std::string Served(const Words& words, const ClientState& client) {
    const std::vector<Bytes> args = Views(words);
    explained_ = Explain(context(), client, args);
    const size_t at = explained_.find("served: ") + 8;
    return explained_.substr(at, explained_.find('\n', at) - at);
  }
  static Transaction::Queued Queue(const Command& command, const Words& words) {
    return {&command, words};
  }

  StandIns stand_ins_;
  DataPlane plane_{kShards, BackendLimits(), stand_ins_.set()};
  std::unique_ptr<AclUser> limited_;
  std::string explained_;

 private:
  void OnReply(Exchange&, const Slice& reply) override { reply_.append(reply.bytes); }
  void OnReplyPart(Exchange&, const Slice& part) override { reply_.append(part.bytes); }

  std::string reply_;
};

// A read has nothing to undo, and its row no recipe for a saga: dispatch called that.
TEST_F(DecideTest, AReadByPartsThatIsToBeASagaIsOfOneMoment) {
  const IdleSagas sagas(context());
  const auto rules = MakeSagaRules(plane_.table, {{"mget", SagaMode::kSaga}}, false).value();
  context().saga_rules = rules.get();
  const Words mget = {"mget", KeyOn(0), KeyOn(1)};
  const Decision decision = Ask(mget);
  EXPECT_EQ(decision.kind, Kind::kSteps);
  EXPECT_EQ(decision.recipe, plane_.table.recipes().isolated_read);
  EXPECT_EQ(Ask(mget, Asked{.in_exec = true}).kind, Kind::kScatter) << "its own locks are held";
  ClientState client;
  EXPECT_EQ(Dispatched(mget, client), StandIns::ReplyOf(decision.recipe));
  EXPECT_EQ(Served(mget, client), "a part to each shard while its keys are locked");
  context().saga_rules = nullptr;
}

TEST_F(DecideTest, ExplainSaysWhatDispatchRefuses) {
  const auto rules = MakeSagaRules(
      plane_.table, {{"mget", SagaMode::kReject}, {"sunion", SagaMode::kReject}}, true);
  context().saga_rules = rules.value().get();
  ClientState client;
  client.limits = limited_.get();
  const std::string a = KeyOn(0), b = KeyOn(1);
  for (const Words& words :
       {Words{"get", "__rm:x"}, Words{"del", a, "__rm:x"}, Words{"blpop", "__rm:x", "0"},
        Words{"mset", a, "1", b}, Words{"mget", a, b}, Words{"sunion", a, b},
        Words{"eval", "return 1", "2", a, b}, Words{"failover"}}) {
    const std::string reply = Dispatched(words, client);
    EXPECT_EQ("refused: " + reply.substr(1), Served(words, client) + "\r\n") << Joined(words);
    EXPECT_EQ(SentToShards(), std::vector<std::string>(kShards)) << Joined(words);
  }
  EXPECT_EQ(Served({"eval", "return 1", "1", a}, client),
            "by its shard, with its user's rights there");
  EXPECT_EQ(Served({"eval", "return 1", "0"}, ClientState()), "by any shard");
  context().saga_rules = nullptr;
}

TEST_F(DecideTest, WithinATransactionWhatWouldWaitGoesToItsShard) {
  const std::string a = KeyOn(0), b = KeyOn(1);
  const Asked queued{.queued = true};
  EXPECT_EQ(Ask({"blpop", b, "0"}).kind, Kind::kSteps);
  EXPECT_EQ(Ask({"blpop", b, "0"}, queued).kind, Kind::kForward);
  EXPECT_EQ(Ask({"blpop", b, "0"}, queued).shard, 1U);
  EXPECT_EQ(Ask({"blpop", a, b, "0"}, queued).kind, Kind::kSteps);
  const Words xread = {"xread", "block", "0", "streams", b, "$"};
  EXPECT_EQ(Ask(xread).kind, Kind::kSteps);
  EXPECT_EQ(Ask(xread, queued).kind, Kind::kForward);
  EXPECT_EQ(Ask({"mset", a, "1", KeyOn(0, 1)}).kind, Kind::kRefuse);
  EXPECT_EQ(Ask({"mset", a, "1", KeyOn(0, 1)}, queued).kind, Kind::kScatter);
  EXPECT_FALSE(Ask({"mset", a, "1", KeyOn(0, 1)}, queued).several);
}

TEST_F(DecideTest, AnUnfinishedRequestIsSettledByItsKeyOrNotAtAll) {
  const Asked header{.header_only = true};
  const Decision set = Ask({"set", KeyOn(2)}, header);
  EXPECT_EQ(set.kind, Kind::kForward);
  EXPECT_EQ(set.shard, 2U);
  EXPECT_EQ(Ask({"set"}, header).kind, Kind::kOpen);
  EXPECT_EQ(Ask({"set", "__rm:x"}, header).kind, Kind::kRefuse);
  EXPECT_EQ(Ask({"mset", KeyOn(0), "1"}, header).kind, Kind::kOpen);
  EXPECT_EQ(Ask({"sort", KeyOn(0), "by"}, header).kind, Kind::kOpen);
  EXPECT_EQ(Ask({"eval"}, header).kind, Kind::kOpen);
}

// What an operator forbids over shards stays forbidden in a transaction, whose other commands are
// all or nothing as before.
TEST_F(DecideTest, ARefusedCommandOfATransactionHasItsErrorInItsPlace) {
  const auto rules = MakeSagaRules(plane_.table, {{"rename", SagaMode::kReject}}, false).value();
  context().saga_rules = rules.get();
  const std::string a = KeyOn(0), b = KeyOn(1);
  std::vector<Transaction::Queued> queue;
  for (const Words& words :
       {Words{"set", a, "1"}, Words{"rename", a, b}, Words{"set", b, "2"}, Words{"failover"}}) {
    queue.push_back(Queue(Find(words), words));
  }
  const auto placed = PlaceTransaction(context(), nullptr, 0, queue);
  ASSERT_TRUE(placed);
  EXPECT_EQ(placed->commands[0].where, Where::kOneShard);
  EXPECT_EQ(placed->commands[1].where, Where::kAfter);
  EXPECT_EQ(placed->commands[2].where, Where::kOneShard);
  EXPECT_EQ(placed->commands[3].where, Where::kAfter);
  EXPECT_EQ(placed->keys.size(), 2U);
  context().saga_rules = nullptr;
}

// Calls of all commands with words that may be keys, counts and options, wherever they stand.
class RandomCalls {
 public:
  RandomCalls(const CommandTable& table, unsigned seed) : random_(seed) {
    for (const auto& command : table.all()) {
      if (!command->subcommands.empty()) continue;
      commands_.push_back(command.get());
      if (HasKeys(*command->row)) keyed_.push_back(command.get());
      const PlanKind kind = command->row->plan.kind;
      if (kind == PlanKind::kScatter || command->row->except.applies != nullptr) {
        special_.push_back(command.get());
      }
    }
  }
  bool Maybe(int percent) { return Below(100) < percent; }
  int Below(int end) { return static_cast<int>(random_() % static_cast<unsigned>(end)); }

  const Command& AnyCommand() {
    const auto& from = Maybe(40) ? commands_ : Maybe(70) ? keyed_ : special_;
    return *from[static_cast<size_t>(Below(static_cast<int>(from.size())))];
  }
  Words Call(const Command& command) {
    together_ = Maybe(35);
    Words words;
    std::string name = command.full_name;
    if (const size_t bar = name.find('|'); bar != std::string::npos) {
      words.push_back(name.substr(0, bar));
      name.erase(0, bar + 1);
    }
    words.push_back(name);
    if (name == "xread" || name == "xreadgroup") return Read(std::move(words));
    const auto least = static_cast<size_t>(std::abs(command.row->arity));
    const size_t size = least + (command.row->arity < 0 ? static_cast<size_t>(Below(5)) : 0);
    const bool keys_alone = Maybe(50);
    while (words.size() < size) words.push_back(keys_alone ? Key() : Word());
    for (const KeySpec& spec : command.row->specs) {
      if (spec.find != KeySpec::Find::kCounted || Maybe(10)) continue;
      const auto at = static_cast<size_t>(spec.index);
      if (at < words.size()) words[at] = std::to_string(Below(static_cast<int>(size - at)) + 1);
    }
    return words;
  }

 private:
  std::string Key() {
    if (Maybe(3)) return "__rm:" + std::to_string(Below(3));
    return (together_ ? "{k}" : "k") + std::to_string(Below(40));
  }
  std::string Word() {
    static constexpr const char* kWords[] = {"0",   "1",     "2",   "by",       "get",  "store",
                                             "k*",  "limit", "db",  "nosort",   "keys", "count",
                                             "*",   "block", "#",   "streams",  "ex",   "__rm:*",
                                             "any", "left",  "min", "storedist"};
    return Maybe(50) ? Key() : kWords[Below(std::size(kWords))];
  }
  Words Read(Words words) {
    if (words[0] == "xreadgroup") words.insert(words.end(), {"group", "g", "c"});
    if (Maybe(50)) words.insert(words.end(), {"block", "0"});
    words.emplace_back("streams");
    const int keys = 1 + Below(2);
    for (int i = 0; i < keys; ++i) words.push_back(Key());
    words.insert(words.end(), static_cast<size_t>(keys), "0");
    return words;
  }

  std::mt19937 random_;
  std::vector<const Command*> commands_;
  std::vector<const Command*> keyed_;
  std::vector<const Command*> special_;  // cut by shard, or with exceptions
  bool together_ = false;
};

// The four that ask are held against each other, call by call.
class FourAskersTest : public DecideTest, public testing::WithParamInterface<unsigned> {
 protected:
  // The shards of the call's keys, found without Decide.
  std::set<uint32_t> ShardsOf(const Command& command, const Words& words) {
    std::vector<uint32_t> positions;
    std::set<uint32_t> shards;
    if (!HasKeys(*command.row) || !FindKeys(*command.row, Views(words), positions)) return shards;
    for (const uint32_t at : positions) shards.insert(plane_.router.ShardOf(words[at]));
    return shards;
  }

  std::unique_ptr<SagaRules> RandomRules(RandomCalls& calls) {
    auto rules = std::make_unique<SagaRules>();
    rules->isolated_reads = calls.Maybe(50);
    for (const auto& command : plane_.table.all()) {
      const PlanKind kind = command->row->plan.kind;
      SagaMode mode = BuiltInMode(*command);
      const bool choice = HasKeys(*command->row) && command->single_key == 0 &&
                          (kind == PlanKind::kForward || kind == PlanKind::kScatter);
      if (choice && calls.Maybe(30)) mode = SagaMode::kReject;
      if (choice && calls.Maybe(30)) mode = SagaMode::kSaga;
      if (kind == PlanKind::kScatter && calls.Maybe(30)) mode = SagaMode::kFanout;
      rules->modes.push_back(mode);
    }
    return rules;
  }

  void CompareDispatch(const Words& words, const Command& command, ClientState& client,
                       const Decision& decision) {
    SentToShards();
    const std::string reply = Dispatched(words, client);
    const std::vector<std::string> sent = SentToShards();
    std::vector<std::string> expected(kShards);
    switch (decision.kind) {
      case Kind::kForward:
        expected[decision.shard] = Joined(words);
        EXPECT_EQ(reply, kFromShard);
        break;
      case Kind::kEveryShard:
        expected.assign(kShards, Joined(words));
        break;
      case Kind::kScatter: {
        const std::set<uint32_t> shards = ShardsOf(command, words);
        EXPECT_EQ(decision.several, shards.size() > 1);
        for (uint32_t shard = 0; shard < kShards; ++shard) {
          EXPECT_EQ(shards.contains(shard), !sent[shard].empty()) << shard;
        }
        return;
      }
      case Kind::kLocal:
        EXPECT_EQ(reply, StandIns::kLocal);
        break;
      case Kind::kStart:
        EXPECT_EQ(reply, StandIns::kStart);
        break;
      case Kind::kSteps:
        EXPECT_EQ(reply, StandIns::ReplyOf(decision.recipe));
        EXPECT_EQ(client.goes_alone, decision.alone);
        break;
      case Kind::kRefuse:
        EXPECT_EQ(reply, RefusalReply(decision, command, Views(words), client.limits));
        break;
      case Kind::kOpen:
        ADD_FAILURE() << "the whole call is here";
    }
    EXPECT_EQ(sent, expected);
  }

  void CompareExplain(const Words& words, const Command& command, const ClientState& client,
                      const Decision& decision) {
    const std::string served = Served(words, client);
    const std::string by_shard = "as it is by its shard",
                      parts = "a part to each shard, replies merged";
    switch (decision.kind) {
      case Kind::kForward:
        if (decision.anywhere) {
          EXPECT_TRUE(served.starts_with("by any shard")) << served;
          return;
        }
        EXPECT_EQ(served, by_shard);
        EXPECT_NE(explained_.find("\nshards: 1 " + plane_.router.shard_name(decision.shard) + "\n"),
                  std::string::npos);
        return;
      case Kind::kScatter:
        EXPECT_EQ(served, decision.several ? parts : by_shard);
        return;
      case Kind::kEveryShard:
        EXPECT_EQ(served, "as it is by every shard, replies merged");
        return;
      case Kind::kLocal:
      case Kind::kStart:
        EXPECT_EQ(served, "by the proxy itself");
        return;
      case Kind::kRefuse:
        EXPECT_EQ("-" + served.substr(9) + "\r\n",
                  RefusalReply(decision, command, Views(words), client.limits));
        return;
      case Kind::kSteps:
      case Kind::kOpen:
        for (const std::string& other : {by_shard, parts, std::string("by the proxy itself")}) {
          EXPECT_NE(served, other);
        }
        EXPECT_EQ(served.find("refused"), std::string::npos) << served;
    }
  }

  // Alone in a transaction, and beside a write on one shard.
  void CompareExec(const Words& words, const Command& command, const ClientState& client,
                   const Decision& decision) {
    const Command& set = *plane_.table.FindByName("set");
    const std::vector<Transaction::Queued> queue = {Queue(command, words),
                                                    Queue(set, {"set", "k", "v"})};
    const std::vector<Stretch> stretches = Cut(context(), client.limits, {queue[0]});
    ASSERT_EQ(stretches.size(), 1U);
    const std::optional<uint32_t> shard = stretches[0].shard;
    const auto placed = PlaceTransaction(context(), client.limits, 0, queue);
    const std::optional<Where> where =
        placed ? std::optional<Where>(placed->commands[0].where) : std::nullopt;
    const bool databases = command.full_name == "move" || command.full_name == "copy";
    if (!databases && shard) {
      const bool anywhere = *shard == Stretch::kAnyShard;
      EXPECT_EQ(where, anywhere ? Where::kAnywhere : Where::kOneShard);
      EXPECT_TRUE(anywhere || placed->commands[0].shard == *shard);
    }
    const bool arity = decision.refusal == Decision::Refusal::kArity;
    switch (decision.kind) {
      case Kind::kForward:
        EXPECT_EQ(shard, decision.anywhere ? Stretch::kAnyShard : decision.shard);
        break;
      case Kind::kScatter:
        EXPECT_EQ(shard, decision.several ? std::nullopt : std::optional<uint32_t>(decision.shard));
        EXPECT_EQ(where, decision.several ? Where::kSeveral : Where::kOneShard);
        break;
      case Kind::kRefuse:
        EXPECT_TRUE(arity || (!shard && where == Where::kAfter));
        break;
      case Kind::kLocal:
      case Kind::kStart:
      case Kind::kEveryShard:
        EXPECT_FALSE(shard);
        EXPECT_EQ(where == Where::kAfter,
                  IsOurs(queue[0]) || (decision.kind == Kind::kStart && command.Is(kPubSub)));
        break;
      case Kind::kSteps: {
        const std::set<uint32_t> shards = ShardsOf(command, words);
        if (command.Is(kBlocking) && shards.size() == 1) {
          EXPECT_EQ(shard, *shards.begin());
        } else if (!command.Is(kBlocking) || shards.size() > 1) {
          EXPECT_FALSE(shard);
          if (decision.several && !databases) {
            EXPECT_EQ(where, Where::kSeveral);
          }
        }
        break;
      }
      case Kind::kOpen:
        break;
    }
  }

  // One word of it is large, and only half of that is here: does it go on, and where to?
  void CompareUpload(Words words, const Command& command, size_t large) {
    words[large] = std::string(Upload::kStreamFrom, 'v');
    const ClientState client;
    const Decision whole = Ask(words, client);
    const Words head(words.begin(), words.begin() + static_cast<ptrdiff_t>(large));
    const Decision begun = Ask(head, Asked{.header_only = true});
    const bool alone = GoesAlone(context(), command, nullptr);
    SentToShards();
    const auto connection = plane_.Connect();
    std::string bytes = MakeRequest(std::span<const Bytes>(Views(words)));
    // The shard's parser has nothing whole before the end, so that what it has is unfinished.
    const size_t half = bytes.find("$" + std::to_string(Upload::kStreamFrom)) + 70000;
    Send(*connection, Bytes(bytes).substr(0, half));
    std::optional<uint32_t> streamed;
    for (uint32_t shard = 0; shard < kShards; ++shard) {
      for (const auto& peer : plane_.shards[shard]->peers) {
        if (!peer->input.empty()) streamed = shard;
      }
    }
    EXPECT_EQ(streamed.has_value(), begun.kind == Kind::kForward && !alone);
    if (streamed) {
      ++streamed_;
      EXPECT_EQ(*streamed, begun.shard);
      EXPECT_EQ(whole.kind, Kind::kForward);
      EXPECT_EQ(whole.shard, begun.shard);
    }
    Send(*connection, Bytes(bytes).substr(half));
    const std::vector<std::string> sent = SentToShards();
    if (whole.kind == Kind::kForward) {
      EXPECT_EQ(sent[whole.shard], Joined(words));
    }
    connection->Leave();
    plane_.Turns();
  }
  void Send(TestClient& client, Bytes bytes) {
    for (int turn = 0; turn < 1000 && !bytes.empty(); ++turn) {
      bytes.remove_prefix(client.Send(bytes));
      plane_.Turn();
    }
    ASSERT_TRUE(bytes.empty());
    plane_.Turns();
  }

  int streamed_ = 0;
};

TEST_P(FourAskersTest, AgreeOnRandomCalls) {
  constexpr int kCalls = 3000;
  RandomCalls calls(plane_.table, GetParam());
  IdleSagas sagas(context());
  std::map<Kind, int> seen;
  std::unique_ptr<SagaRules> rules;
  for (int i = 0; i < kCalls && !HasFailure(); ++i) {
    if (i % 100 == 0) rules = calls.Maybe(80) ? RandomRules(calls) : nullptr;
    context().saga_rules = rules.get();
    context().sagas = calls.Maybe(80) ? &sagas.set() : nullptr;
    context().moving = calls.Maybe(30);
    const Command& command = calls.AnyCommand();
    const Words words = calls.Call(command);
    if (!command.ArityFits(words.size())) continue;
    ClientState client;
    if (calls.Maybe(25)) client.limits = limited_.get();
    SCOPED_TRACE(Joined(words) + (context().moving ? ", moving" : "") +
                 (client.limits != nullptr ? ", limited" : ""));
    const Decision decision = Ask(words, client);
    ++seen[decision.kind];
    const Decision again = Ask(words, client);
    EXPECT_EQ(std::memcmp(&again, &decision, sizeof(decision)), 0) << "it is pure";
    CompareDispatch(words, command, client, decision);
    CompareExplain(words, command, client, decision);
    CompareExec(words, command, client, decision);
    context().moving = false;  // no gate stands here
    if (words.size() > 1 && command.parent == nullptr && calls.Maybe(10)) {
      CompareUpload(words, command,
                    1 + static_cast<size_t>(calls.Below(static_cast<int>(words.size()) - 1)));
    }
  }
  for (const Kind kind : {Kind::kForward, Kind::kScatter, Kind::kEveryShard, Kind::kLocal,
                          Kind::kSteps, Kind::kStart, Kind::kRefuse}) {
    EXPECT_GT(seen[kind], 20) << static_cast<int>(kind);
  }
  EXPECT_GT(streamed_, 10);
  context().saga_rules = nullptr;
}

INSTANTIATE_TEST_SUITE_P(Seeds, FourAskersTest, testing::Range(1U, 5U));

}  // namespace
}  // namespace ringmaster
