// The Lua of sagas on a real redis-server: what a step does, an undo puts back, exactly and only
// that.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sha.h"
#include "resp/request_writer.h"
#include "saga/scripts.h"
#include "support/client.h"
#include "support/redis_server.h"
#include "support/resp_text.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using AnswerKind = StepAnswer::Kind;
using UndoKind = UndoAnswer::Kind;

class SagaScriptsTest : public testing::Test {
 protected:
  explicit SagaScriptsTest(RedisServer::Options options = {})
      : server_(std::move(options)), shard_(server_.Connect()) {
    plan_.id = MakeSagaId(1, 7);
  }

  void Plan(std::vector<StepKey> keys, std::vector<std::string> copies = {}) {
    plan_.steps.assign(1, {});
    plan_.steps[0].keys = std::move(keys);
    plan_.steps[0].copies = std::move(copies);
  }
  std::string Redis(const std::vector<std::string>& words) { return shard_.Command(words); }
  std::string Ask(const std::string& request, size_t replies = 1) {
    EXPECT_TRUE(shard_.Send(request));
    std::string all;
    for (size_t i = 0; i < replies; ++i) all += shard_.ReadRaw();
    return all;
  }
  StepAnswer Step(const StepWork& work) {
    std::string request;
    AppendStep(request, plan_, 0, work, limits_, ScriptForm::kText);
    return ReadStep(Ask(request));
  }
  StepAnswer Set(const std::string& key, const std::string& value) {
    return Step({.commands = {{"SET", key, value}}});
  }
  UndoAnswer Undo(bool force = false) {
    std::string request;
    AppendUndo(request, plan_, 0, force, ScriptForm::kText);
    return ReadUndo(Ask(request));
  }
  bool Cleanup(bool tombstone) {
    std::string request, error;
    AppendCleanup(request, plan_, 0, tombstone, ScriptForm::kText);
    const bool ok = ReadCleanup(Ask(request), &error);
    EXPECT_EQ(error, "");
    return ok;
  }
  StepAnswer Prepare(const std::vector<CopyPayload>& copies = {}) {
    std::string request;
    AppendPrepare(request, plan_, 0, copies, limits_, ScriptForm::kText);
    EXPECT_TRUE(shard_.Send(request));
    std::vector<std::string> replies;
    while (replies.size() < PrepareReplies(plan_.steps[0])) replies.push_back(shard_.ReadRaw());
    return ReadPrepare(replies);
  }
  // The execution; exec_ keeps the bytes that its answer points into.
  ExecuteAnswer Execute(const std::vector<std::vector<std::string>>& commands) {
    std::string request;
    AppendExecuteHead(request, plan_, 0);
    for (const auto& command : commands) request += Encode(command);
    AppendExecuteTail(request, plan_, 0);
    EXPECT_TRUE(shard_.Send(request));
    const size_t queued = ExecuteHeadReplies(plan_.steps[0]) + commands.size() + 1;
    queued_.clear();
    for (size_t i = 0; i < queued; ++i) queued_ += Render(shard_.ReadRaw()) + " ";
    exec_ = shard_.ReadRaw();
    return ReadExecute(exec_, plan_.steps[0]);
  }
  std::string Hidden() { return Redis({"KEYS", "__rm:*"}); }

  RedisServer server_;
  Client shard_;
  SagaPlan plan_;
  StepLimits limits_;
  std::string exec_, queued_;
};

TEST_F(SagaScriptsTest, UndoBringsBackValueTypeAndTimeToLive) {
  Redis({"RPUSH", "list", "a", "b"});
  Redis({"PEXPIRE", "list", "100000"});
  Plan({{"list"}, {"new"}});
  const StepAnswer answer =
      Step({.commands = {{"SET", "list", "1"}, {"SET", "new", "2"}}, .replies = true});
  ASSERT_EQ(answer.kind, AnswerKind::kDone) << answer.error;
  EXPECT_EQ(answer.had, "10");
  EXPECT_THAT(answer.replies, testing::ElementsAre("+OK\r\n", "+OK\r\n"));
  EXPECT_EQ(Redis({"GET", "list"}), "\"1\"");
  const UndoAnswer undo = Undo();
  EXPECT_EQ(undo.kind, UndoKind::kUndone);
  EXPECT_EQ(undo.keys, "uu");
  EXPECT_EQ(Redis({"LRANGE", "list", "0", "-1"}), "[\"a\", \"b\"]");
  EXPECT_THAT(Redis({"PTTL", "list"}), StartsWith("(integer) 9"));
  EXPECT_EQ(Redis({"EXISTS", "new"}), "(integer) 0");
}

TEST_F(SagaScriptsTest, StepSentTwiceRunsOnceAndAnswersTheSame) {
  Plan({{"n", ImageKind::kInPlace}});
  const StepWork work{.commands = {{"INCR", "n"}}, .replies = true};
  EXPECT_FALSE(Step(work).repeated);
  const StepAnswer again = Step(work);
  EXPECT_EQ(again.kind, AnswerKind::kDone);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.had, "0");
  EXPECT_THAT(again.replies, testing::ElementsAre(":1\r\n"));
  EXPECT_EQ(Redis({"GET", "n"}), "\"1\"");
}

TEST_F(SagaScriptsTest, SettingStringsIsUndoneAsAnyStep) {
  const std::string middle(1000, 'm'), large(100000, 'l');
  const std::vector<Bytes> values = {"small", middle, large, "created"};
  Redis({"RPUSH", "a", "old"});
  Redis({"SET", "b", "old", "PX", "1000000"});
  Redis({"SET", "c", "old"});
  Plan({{"a"}, {"b"}, {"c"}, {"d", ImageKind::kCreate}});
  const auto set = [&] {
    std::string request;
    AppendSetStep(request, plan_, 0, values, ScriptForm::kText);
    return ReadStep(Ask(request));
  };
  StepAnswer answer = set();
  ASSERT_EQ(answer.kind, AnswerKind::kDone) << answer.error;
  EXPECT_EQ(answer.had, "1110");
  EXPECT_TRUE(set().repeated);
  EXPECT_EQ(Redis({"MGET", "a", "d"}), "[\"small\", \"created\"]");
  EXPECT_EQ(Redis({"STRLEN", "c"}), "(integer) 100000");
  EXPECT_EQ(Undo().keys, "uuuu") << "its fingerprints are those of the general step";
  EXPECT_EQ(Redis({"LRANGE", "a", "0", "-1"}), "[\"old\"]");
  EXPECT_THAT(Redis({"PTTL", "b"}), StartsWith("(integer) 99"));
  EXPECT_EQ(Redis({"EXISTS", "d"}), "(integer) 0");
  EXPECT_EQ(set().kind, AnswerKind::kAborted);
  Redis({"DEL", MarkerName(plan_.id, 0)});
  Redis({"SET", "d", "there"});
  EXPECT_EQ(set().kind, AnswerKind::kExists);
  EXPECT_EQ(Redis({"GET", "c"}), "\"old\"");
}

TEST_F(SagaScriptsTest, SettingStringsNativelyIsUndoneAsAnyStepAndKnownToTheScript) {
  const std::string middle(1000, 'm');
  std::vector<StepKey> keys = {{"a"}, {"b"}, {"c"}};
  std::vector<Bytes> values = {"small", middle, "created"};
  // More than fit the shortest form of a list.
  std::vector<std::string> more;
  more.reserve(20);
  for (int i = 0; i < 20; ++i) more.push_back("more" + std::to_string(i));
  for (const std::string& key : more) {
    keys.push_back({key});
    values.emplace_back(key);
  }
  Redis({"RPUSH", "a", "old"});
  Redis({"SET", "b", "old", "PX", "1000000"});
  Plan(keys);
  std::string request;
  ASSERT_TRUE(CanSetNatively(plan_.steps[0], values));
  AppendNativeSetStep(request, plan_, 0, values);
  const StepAnswer answer =
      ReadNativeSetStep(Ask(request, NativeSetReplies(plan_.steps[0])), plan_.steps[0]);
  ASSERT_EQ(answer.kind, AnswerKind::kDone) << answer.error;
  EXPECT_EQ(answer.had, "11" + std::string(21, '0'));
  EXPECT_EQ(Redis({"MGET", "a", "c", "more7"}), "[\"small\", \"created\", \"more7\"]");
  std::string again;
  AppendSetStep(again, plan_, 0, values, ScriptForm::kText);
  const StepAnswer repeated = ReadStep(Ask(again));
  EXPECT_EQ(repeated.kind, AnswerKind::kDone) << repeated.error;
  EXPECT_TRUE(repeated.repeated);
  Redis({"SET", "more3", "by somebody else"});
  EXPECT_EQ(Undo().kind, UndoKind::kConflict);
  EXPECT_EQ(Redis({"LRANGE", "a", "0", "-1"}), "[\"old\"]");
  EXPECT_THAT(Redis({"PTTL", "b"}), StartsWith("(integer) 99"));
  EXPECT_EQ(Redis({"EXISTS", "c", "more7", "more19"}), "(integer) 0");
  EXPECT_EQ(Redis({"GET", "more3"}), "\"by somebody else\"");
}

TEST_F(SagaScriptsTest, SettingStringsNativelyWhenMemoryIsShortDoesNothing) {
  Redis({"SET", "a", "old"});
  Redis({"CONFIG", "SET", "maxmemory", "1"});
  Plan({{"a"}, {"b"}});
  std::string request;
  const std::vector<Bytes> values = {"1", "2"};
  AppendNativeSetStep(request, plan_, 0, values);
  const StepAnswer answer =
      ReadNativeSetStep(Ask(request, NativeSetReplies(plan_.steps[0])), plan_.steps[0]);
  EXPECT_EQ(answer.kind, AnswerKind::kRefused);
  EXPECT_THAT(answer.error, StartsWith("-OOM"));
  EXPECT_EQ(Redis({"GET", "a"}), "\"old\"");
  EXPECT_EQ(Redis({"DBSIZE"}), "(integer) 1");
}

TEST_F(SagaScriptsTest, WhatNeedsALookIsNotSetNatively) {
  const std::string large(5000, 'l');
  const std::vector<Bytes> small = {"1"}, values = {large};
  SagaStep step{.keys = {{"a", ImageKind::kCreate}}};
  EXPECT_FALSE(CanSetNatively(step, small));
  step.keys = {{"a"}};
  EXPECT_TRUE(CanSetNatively(step, small));
  EXPECT_FALSE(CanSetNatively(step, values));
}

TEST_F(SagaScriptsTest, SettingStringsWhenMemoryIsShortDoesNothing) {
  Redis({"CONFIG", "SET", "maxmemory", "1"});
  Plan({{"a"}, {"b"}});
  std::string request;
  const std::vector<Bytes> values = {"1", "2"};
  AppendSetStep(request, plan_, 0, values, ScriptForm::kText);
  EXPECT_EQ(ReadStep(Ask(request)).kind, AnswerKind::kRefused);
  EXPECT_EQ(Redis({"DBSIZE"}), "(integer) 0");
}

TEST_F(SagaScriptsTest, StepAfterAnUndoIsRefusedAndUndoRepeats) {
  Plan({{"k"}});
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_EQ(Set("k", "late").kind, AnswerKind::kAborted);
  EXPECT_EQ(Redis({"EXISTS", "k"}), "(integer) 0");
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_THAT(Redis({"TTL", MarkerName(plan_.id, 0)}), StartsWith("(integer) 86"));
}

TEST_F(SagaScriptsTest, UndoneStepStaysUndoneWhenUndoRepeats) {
  Redis({"SET", "k", "old"});
  Plan({{"k"}});
  Set("k", "new");
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  Redis({"SET", "k", "later"});
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_EQ(Redis({"GET", "k"}), "\"later\"");
}

TEST_F(SagaScriptsTest, ErrorPutsEverythingBackAndIsTheAnswer) {
  Redis({"SET", "a", "1"});
  Redis({"SET", "text", "x"});
  Plan({{"a"}, {"b"}, {"text", ImageKind::kInPlace}});
  const StepAnswer answer =
      Step({.commands = {{"SET", "a", "2"}, {"SET", "b", "2"}, {"LPUSH", "text", "y"}}});
  EXPECT_EQ(answer.kind, AnswerKind::kRefused);
  EXPECT_EQ(answer.error, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  EXPECT_EQ(Redis({"GET", "a"}), "\"1\"");
  EXPECT_EQ(Redis({"EXISTS", "b"}), "(integer) 0");
  EXPECT_EQ(Redis({"GET", "text"}), "\"x\"");
  EXPECT_EQ(Hidden(), "[]");
}

TEST_F(SagaScriptsTest, KeyThatMustNotExistRefusesTheStep) {
  Redis({"SET", "there", "1"});
  Plan({{"new", ImageKind::kCreate}, {"there", ImageKind::kCreate}});
  EXPECT_EQ(Step({.commands = {{"SET", "new", "1"}, {"SET", "there", "2"}}}).kind,
            AnswerKind::kExists);
  EXPECT_EQ(Redis({"EXISTS", "new"}), "(integer) 0");
  EXPECT_EQ(Hidden(), "[]");
  Plan({{"new", ImageKind::kCreate}});
  EXPECT_EQ(Set("new", "1").kind, AnswerKind::kDone);
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  EXPECT_EQ(Redis({"EXISTS", "new"}), "(integer) 0");
}

TEST_F(SagaScriptsTest, DeleteSaysWhatExistedAndIsUndone) {
  Redis({"SADD", "s", "1"});
  Plan({{"s"}, {"nothing"}});
  EXPECT_EQ(Step({}).had, "10");
  EXPECT_EQ(Redis({"EXISTS", "s"}), "(integer) 0");
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  EXPECT_EQ(Redis({"SMEMBERS", "s"}), "[\"1\"]");
}

TEST_F(SagaScriptsTest, LaterWriteOfSomebodyElseIsNotTouched) {
  Redis({"SET", "a", "old"});
  Redis({"SET", "b", "old"});
  Plan({{"a"}, {"b"}});
  Step({.commands = {{"SET", "a", "new"}, {"SET", "b", "new"}}});
  Redis({"APPEND", "a", "er"});
  UndoAnswer undo = Undo();
  EXPECT_EQ(undo.kind, UndoKind::kConflict);
  EXPECT_EQ(undo.keys, "cu");
  EXPECT_EQ(Redis({"GET", "a"}), "\"newer\"");
  EXPECT_EQ(Redis({"GET", "b"}), "\"old\"");
  Redis({"SET", "b", "after the undo"});
  undo = Undo();
  EXPECT_EQ(undo.kind, UndoKind::kConflict) << "and the image is kept";
  EXPECT_EQ(Undo(true).kind, UndoKind::kUndone) << "the operator insists";
  EXPECT_EQ(Redis({"GET", "a"}), "\"old\"");
  EXPECT_EQ(Redis({"GET", "b"}), "\"after the undo\"") << "this key was undone before";
}

TEST_F(SagaScriptsTest, LostImageIsReportedAndAnExpiredOneIsNot) {
  Redis({"SET", "a", "old"});
  Redis({"SET", "b", "old", "PX", "1000000"});
  Plan({{"a"}, {"b"}});
  Step({.commands = {{"SET", "a", "new"}, {"SET", "b", "new"}}});
  Redis({"DEL", ImageName(plan_.id, 0, 0), ImageName(plan_.id, 0, 1)});
  const UndoAnswer undo = Undo();
  EXPECT_EQ(undo.kind, UndoKind::kImageLost);
  EXPECT_EQ(undo.keys, "lu");
  EXPECT_EQ(Redis({"GET", "a"}), "\"new\"");
  EXPECT_EQ(Redis({"EXISTS", "b"}), "(integer) 0") << "its old value would have expired by now";
}

TEST_F(SagaScriptsTest, NewValueThatExpiredIsNoConflict) {
  Redis({"SET", "k", "old"});
  Plan({{"k"}});
  Step({.commands = {{"SET", "k", "new", "PX", "1"}}});
  ASSERT_TRUE(Eventually([&] { return Redis({"EXISTS", "k"}) == "(integer) 0"; }));
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  EXPECT_EQ(Redis({"GET", "k"}), "\"old\"");
}

// Over a server whose hashes have times to live for each field.
class SagaScriptsOfRedis8Test : public SagaScriptsTest {
 protected:
  static constexpr char kServer[] = "redis-server-8.0";
  SagaScriptsOfRedis8Test() : SagaScriptsTest({.program = RedisServer::Fetched(kServer)}) {}
  void SetUp() override { RM_SKIP_WITHOUT_SERVER(kServer); }
};

TEST_F(SagaScriptsOfRedis8Test, FieldThatExpiredIsNoConflictAndAnotherTimeToLiveIsOne) {
  Plan({{"hash", ImageKind::kInPlace}});
  Redis({"HSET", "hash", "stays", "1", "goes", "2"});
  Redis({"HPEXPIRE", "hash", "100000", "FIELDS", "1", "stays"});
  ASSERT_EQ(Step({.commands = {{"HSET", "hash", "more", "3"},
                               {"HPEXPIRE", "hash", "1", "FIELDS", "1", "goes"}}})
                .kind,
            AnswerKind::kDone);
  ASSERT_TRUE(Eventually([&] { return Redis({"HGET", "hash", "goes"}) == "(nil)"; }));
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  EXPECT_EQ(Redis({"HMGET", "hash", "stays", "goes", "more"}), "[\"1\", \"2\", (nil)]");
  EXPECT_THAT(Redis({"HPTTL", "hash", "FIELDS", "1", "stays"}), StartsWith("[(integer) 9"));

  plan_.id = MakeSagaId(1, 8);
  ASSERT_EQ(Step({.commands = {{"HSET", "hash", "more", "3"}}}).kind, AnswerKind::kDone);
  Redis({"HPEXPIRE", "hash", "500000", "FIELDS", "1", "stays"});
  EXPECT_EQ(Undo().kind, UndoKind::kConflict);
}

TEST_F(SagaScriptsTest, ReorderedHashAndSetAreNoConflict) {
  for (const char* key : {"hash", "set"}) Redis({"DEL", key});
  std::vector<std::string> hash = {"HSET", "hash"}, set = {"SADD", "set"};
  for (int i = 0; i < 1500; ++i) {
    hash.insert(hash.end(), {"f" + std::to_string(i), std::to_string(i)});
    set.push_back("member" + std::to_string(i));
  }
  Redis(hash);
  Redis(set);
  Plan({{"hash", ImageKind::kInPlace}, {"set", ImageKind::kInPlace}});
  Step({.commands = {{"HSET", "hash", "more", "1"}, {"SADD", "set", "more"}}});
  // Reads drive the rehashing on, which changes the order.
  for (int i = 0; i < 3000; ++i) {
    Redis({"HGET", "hash", "f1"});
    Redis({"SISMEMBER", "set", "member1"});
  }
  EXPECT_EQ(Undo().keys, "uu");
  EXPECT_EQ(Redis({"HLEN", "hash"}), "(integer) 1500");
  EXPECT_EQ(Redis({"SCARD", "set"}), "(integer) 1500");
}

TEST_F(SagaScriptsTest, EveryTypeIsRecognizedUnchangedAndChanged) {
  const std::vector<std::vector<std::string>> make = {{"SET", "string", std::string(100, 'x')},
                                                      {"SET", "long", std::string(100000, 'x')},
                                                      {"RPUSH", "list", "a", "b"},
                                                      {"ZADD", "zset", "1.5", "a"},
                                                      {"HSET", "hash", "f", "v"},
                                                      {"SADD", "set", "1", "x"},
                                                      {"XADD", "stream", "1-1", "f", "v"}};
  const std::vector<std::vector<std::string>> change = {
      {"SETRANGE", "string", "5", "y"},   {"SETRANGE", "long", "99999", "y"},
      {"LSET", "list", "1", "c"},         {"ZADD", "zset", "1.25", "a"},
      {"HSET", "hash", "f", "w"},         {"SADD", "set", "y"},
      {"XADD", "stream", "1-2", "f", "v"}};
  for (size_t i = 0; i < make.size(); ++i) {
    Redis({"FLUSHALL"});
    Redis(make[i]);
    const std::string& key = make[i][1];
    Plan({{key, ImageKind::kInPlace}});
    Step({.commands = {{"PERSIST", key}}});
    EXPECT_EQ(Undo().kind, UndoKind::kUndone) << key;
    Redis({"DEL", MarkerName(plan_.id, 0)});
    Step({.commands = {{"PERSIST", key}}});
    Redis(change[i]);
    EXPECT_EQ(Undo().kind, UndoKind::kConflict) << key;
  }
}

TEST_F(SagaScriptsTest, InPlaceImageHasALimit) {
  Redis({"SET", "big", std::string(100000, 'x')});
  limits_.image_max = 50000;
  Plan({{"big", ImageKind::kInPlace}});
  const StepAnswer answer = Step({.commands = {{"APPEND", "big", "y"}}});
  EXPECT_EQ(answer.kind, AnswerKind::kRefused);
  EXPECT_THAT(answer.error, StartsWith("-RMLIMIT "));
  EXPECT_EQ(Redis({"STRLEN", "big"}), "(integer) 100000");
  Plan({{"big"}});
  EXPECT_EQ(Set("big", "small").kind, AnswerKind::kDone) << "renaming costs nothing";
}

TEST_F(SagaScriptsTest, WhenMemoryIsShortTheStepDoesNothingAndUndoWorks) {
  Redis({"SET", "old", "1"});
  Plan({{"old"}, {"new"}});
  Step({.commands = {{"SET", "old", "2"}, {"SET", "new", "2"}}});
  Redis({"CONFIG", "SET", "maxmemory", "1"});
  EXPECT_THAT(Redis({"SET", "x", "y"}), HasSubstr("OOM"));
  EXPECT_EQ(Undo().kind, UndoKind::kUndone);
  EXPECT_EQ(Redis({"GET", "old"}), "\"1\"");
  EXPECT_EQ(Redis({"EXISTS", "new"}), "(integer) 0");
  plan_.id = MakeSagaId(1, 8);
  Plan({{"created"}});
  EXPECT_EQ(Set("created", "1").kind, AnswerKind::kRefused);
  EXPECT_EQ(Redis({"EXISTS", "created", MarkerName(plan_.id, 0)}), "(integer) 0");
  Plan({{"old", ImageKind::kInPlace}}, {"copy"});
  const std::string dump(10, 'x');
  EXPECT_EQ(Prepare({{dump, 0}}).kind, AnswerKind::kRefused);
  EXPECT_EQ(Redis({"EXISTS", ImageName(plan_.id, 0, 0)}), "(integer) 0");
}

TEST_F(SagaScriptsTest, CleanupLeavesNothingOrATombstone) {
  Redis({"SET", "k", "old"});
  Plan({{"k"}});
  Set("k", "new");
  EXPECT_TRUE(Cleanup(false));
  EXPECT_EQ(Hidden(), "[]");
  EXPECT_TRUE(Cleanup(true));
  EXPECT_EQ(Set("k", "a late copy").kind, AnswerKind::kAborted);
  EXPECT_EQ(Redis({"GET", "k"}), "\"new\"");
}

TEST_F(SagaScriptsTest, ScriptsAreKnownByTheirSha1) {
  Plan({{"k"}});
  std::string request;
  AppendStep(request, plan_, 0, {.commands = {{"SET", "k", "v"}}}, limits_, ScriptForm::kSha);
  EXPECT_TRUE(IsNoScript(Ask(request)));
  Set("k", "v");
  EXPECT_TRUE(ReadStep(Ask(request)).repeated);
  EXPECT_EQ(Redis({"SCRIPT", "LOAD", "return 1"}), "\"" + Sha1Hex("return 1") + "\"");
}

TEST_F(SagaScriptsTest, ExecutionRunsTheClientsCommandsAndIsUndone) {
  Redis({"SADD", "mine", "1", "2"});
  Redis({"SET", "dest", "old"});
  Redis({"SADD", "elsewhere", "2", "3"});
  Client raw = server_.Connect();
  const std::string dump_reply = raw.CommandRaw({"DUMP", "elsewhere"});
  const std::string dump(ReadReply(dump_reply).text);
  Redis({"DEL", "elsewhere"});
  Plan({{"dest"}, {"mine", ImageKind::kInPlace}}, {"elsewhere"});
  plan_.steps[0].kind = StepKind::kExecute;
  ASSERT_EQ(Prepare({{dump, 100000}}).kind, AnswerKind::kDone);
  EXPECT_THAT(Redis({"TTL", "elsewhere"}),
              testing::AnyOf("(integer) 100", "(integer) 99", "(integer) 98"));
  const ExecuteAnswer answer = Execute(
      {{"SINTERSTORE", "dest", "mine", "elsewhere"}, {"SADD", "mine", "4"}, {"GET", "mine"}});
  ASSERT_EQ(answer.kind, AnswerKind::kDone) << queued_ << Render(exec_);
  ASSERT_EQ(answer.replies.size(), 3u);
  EXPECT_EQ(answer.replies[0].raw, ":1\r\n");
  EXPECT_THAT(std::string(answer.replies[2].raw), StartsWith("-WRONGTYPE"))
      << "an error inside is an answer, as in Redis";
  EXPECT_EQ(Redis({"SMEMBERS", "dest"}), "[\"2\"]");
  EXPECT_EQ(Undo().keys, "uu");
  EXPECT_EQ(Redis({"GET", "dest"}), "\"old\"");
  EXPECT_EQ(Redis({"SCARD", "mine"}), "(integer) 2");
  EXPECT_EQ(Redis({"EXISTS", "elsewhere"}), "(integer) 0");
}

TEST_F(SagaScriptsTest, ExecutionAfterAnUndoIsRefused) {
  Redis({"SET", "k", "1"});
  Plan({{"k", ImageKind::kInPlace}});
  ASSERT_EQ(Prepare().kind, AnswerKind::kDone);
  Client other = server_.Connect();
  std::string undo;
  AppendUndo(undo, plan_, 0, false, ScriptForm::kText);
  other.Send(undo);
  EXPECT_EQ(ReadUndo(other.ReadRaw()).kind, UndoKind::kNotApplied);
  EXPECT_EQ(Execute({{"INCR", "k"}}).kind, AnswerKind::kAborted);
  EXPECT_EQ(Redis({"GET", "k"}), "\"1\"");
  EXPECT_EQ(Prepare().kind, AnswerKind::kAborted) << "and one that begins after it gets not so far";
}

TEST_F(SagaScriptsTest, ExecutionAfterSomebodyElsesWriteIsRefused) {
  Redis({"SET", "k", "1"});
  Plan({{"k", ImageKind::kInPlace}, {"w"}});
  ASSERT_EQ(Prepare().kind, AnswerKind::kDone);
  server_.Command({"SET", "w", "from outside"});
  EXPECT_EQ(Execute({{"INCR", "k"}, {"SET", "w", "x"}}).kind, AnswerKind::kAborted);
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_EQ(Redis({"MGET", "k", "w"}), "[\"1\", \"from outside\"]");
}

TEST_F(SagaScriptsTest, PreparedAndNeverExecutedIsUndoneWithoutATrace) {
  Redis({"SET", "k", "1"});
  Plan({{"k", ImageKind::kInPlace}, {"w"}}, {});
  ASSERT_EQ(Prepare().kind, AnswerKind::kDone);
  Redis({"SET", "k", "2"});
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_EQ(Redis({"GET", "k"}), "\"2\"");
  EXPECT_EQ(Hidden(), "[\"" + MarkerName(plan_.id, 0) + "\"]");
}

TEST_F(SagaScriptsTest, BadPayloadIsRefusedAndNothingIsLeft) {
  Redis({"SET", "k", "1"});
  Plan({{"k", ImageKind::kInPlace}}, {"copy"});
  EXPECT_EQ(Prepare({{"no dump", 0}}).kind, AnswerKind::kRefused);
  EXPECT_EQ(Hidden(), "[]");
}

TEST_F(SagaScriptsTest, CommandThatCannotBeQueuedAppliesNothing) {
  Redis({"SET", "k", "1"});
  Plan({{"k", ImageKind::kInPlace}});
  ASSERT_EQ(Prepare().kind, AnswerKind::kDone);
  const ExecuteAnswer answer = Execute({{"INCR", "k"}, {"INCR"}});
  EXPECT_EQ(answer.kind, AnswerKind::kRefused);
  EXPECT_THAT(answer.error, StartsWith("-EXECABORT"));
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_EQ(Redis({"GET", "k"}), "\"1\"");
}

TEST_F(SagaScriptsTest, ExecutionWithoutSealIsUndone) {
  Redis({"SET", "k", "1"});
  Redis({"SET", "w", "old"});
  Plan({{"k", ImageKind::kInPlace}, {"w"}, {"new"}});
  ASSERT_EQ(Prepare().kind, AnswerKind::kDone);
  std::string request;
  AppendExecuteHead(request, plan_, 0);
  request += Encode({"INCR", "k"}) + Encode({"SET", "w", "x"}) + Encode({"SET", "new", "x"});
  request += Encode({"EXEC"});
  shard_.Send(request);
  for (int i = 0; i < 8; ++i) shard_.ReadRaw();
  EXPECT_EQ(Undo().keys, "uuu");
  EXPECT_EQ(Redis({"MGET", "k", "w", "new"}), "[\"1\", \"old\", (nil)]");
}

TEST_F(SagaScriptsTest, CopiesAreOnlyDroppedWhereTheyWereMade) {
  Redis({"SET", "owned", "1"});
  Plan({}, {"owned"});
  EXPECT_EQ(Undo().kind, UndoKind::kNotApplied);
  EXPECT_TRUE(Cleanup(true));
  EXPECT_TRUE(Cleanup(false));
  EXPECT_EQ(Redis({"GET", "owned"}), "\"1\"") << "there was no marker, so this is no copy of ours";
}

}  // namespace
}  // namespace ringmaster::integration
