#include "backend/connection.h"

#include <gtest/gtest.h>

#include <deque>

#include "backend/backend.h"
#include "support/shard_side.h"

namespace ringmaster {
namespace {

// One backend, one fake shard.
struct ConnectionTest : testing::Test, ShardSide {
  void SetUp() override { Make(BackendLimits()); }
  void TearDown() override {
    backend->Close("the test is over");
    backend.reset();
    loop.OnPrepare(nullptr);
  }
  void Make(const BackendLimits& with) {
    ShardAddress address;
    address.name = "a";
    address.address = shard().address();
    link = std::make_shared<ShardLink>(address, with, 1);
    backend = std::make_unique<Backend>(backends, link, metrics, 16);
  }
  FakeShard& shard() { return *shards[0]; }
  Connection& shared() { return backend->Shared(0, 2); }
  // Sends and lets it arrive.
  void Send(Asker& asker) {
    shared().Send(asker);
    Turns();
  }

  std::shared_ptr<ShardLink> link;
  ShardMetrics metrics;
  std::unique_ptr<Backend> backend;
  std::deque<Asker> askers;  // answered at the latest when the backend goes
  // The shard reads nothing of them, says this and closes.
  void RefuseBeforeTheEnd(const std::vector<Asker*>& sent, const std::string& refusal) {
    shared().Prepare();
    Turns();
    shard().frozen = true;
    for (Asker* asker : sent) shared().Send(*asker);
    Turns();
    shard().Send(refusal);
    shard().Drop();
    shard().frozen = false;
    Turns();
  }
};

std::string Get(const std::string& key) { return MakeRequest({"GET", key}); }
std::string Set(const std::string& key) { return MakeRequest({"SET", key, "v"}); }

TEST_F(ConnectionTest, RepliesGoToTheAskersInTheirOrder) {
  Asker& first = askers.emplace_back(Get("a"));
  Asker& second = askers.emplace_back(Get("b"));
  shared().Send(first);
  Send(second);
  EXPECT_EQ(shard().Requests(), "GET a, GET b");
  shard().Send("+1\r\n+2\r\n");
  Turns();
  EXPECT_EQ(first.told() + second.told(), "+1|+2|");
}

TEST_F(ConnectionTest, HandshakeLogsInAndSelectsBeforeAnyRequest) {
  Asker& asker = askers.emplace_back(Get("a"));
  backend->Shared(7, 3).Send(asker);
  Turns();
  EXPECT_EQ(shard().handshakes, (std::vector<std::string>{"HELLO 3", "SELECT 7", "PING"}));
  EXPECT_EQ(shard().Requests(), "GET a");
}

TEST_F(ConnectionTest, AShardSaysWhichServerItIs) {
  shard().handshake["INFO"] =
      "$53\r\nredis_version:7.2.4\r\nvalkey_version:8.1.1\r\nrun_id:x\r\n\r\n";
  EXPECT_EQ(link->facts(), nullptr);
  Asker& asker = askers.emplace_back(Get("a"));
  backend->Shared(7, 2).Send(asker);
  Turns();
  ASSERT_NE(link->facts(), nullptr);
  EXPECT_EQ(link->facts()->program(), "Valkey 8.1.1");
  EXPECT_EQ(link->facts()->run_id, "x");
  EXPECT_EQ(shard().Requests(), "GET a");
}

// Another program may stand behind the address when it answers again.
TEST_F(ConnectionTest, AShardThatCameBackIsAskedAnewWhichServerItIs) {
  shard().handshake["INFO"] = "$22\r\nredis_version:7.0.15\r\n\r\n";
  shard().answer = [](const std::string&) { return std::string("+1\r\n"); };
  Send(askers.emplace_back(Get("a")));
  shard().handshake["INFO"] = "$21\r\nredis_version:8.0.2\r\n\r\n";
  shard().Drop();
  Turns();
  Send(askers.emplace_back(Get("b")));
  ASSERT_NE(link->facts(), nullptr);
  EXPECT_EQ(link->facts()->redis_version, "8.0.2");
}

TEST_F(ConnectionTest, AShardThatDoesNotSayWhichServerItIsServesAsWell) {
  shard().handshake["INFO"] = "-BUSY a script runs\r\n";
  Send(askers.emplace_back(Get("a")));
  EXPECT_EQ(link->facts(), nullptr);
  EXPECT_EQ(shard().Requests(), "GET a");
}

// Not even one that was waiting; the next attempt finds what it is by then.
TEST_F(ConnectionTest, AReplicaGetsNoCommandsUntilItIsAPrimary) {
  for (const int resp : {2, 3}) {
    shard().role = "replica";
    Asker& write = askers.emplace_back(Set("w"), false);
    Asker& read = askers.emplace_back(Get("r"));
    backend->Shared(7, resp).Send(write);
    backend->Shared(7, resp).Send(read);
    Turns();
    EXPECT_EQ(write.told(), "-NOTAPPLIED shard a: it is a replica of 10.0.0.1:6379|");
    EXPECT_EQ(read.told(), write.told());
    EXPECT_TRUE(link->failing());
    EXPECT_EQ(link->role().said, (RoleAnswer{ServerRole::kReplica, "10.0.0.1:6379"}));
    EXPECT_EQ(shard().Requests(), "");
    shard().role = "master";
    backend->Shared(7, resp).Tick(loop.Now() + std::chrono::seconds(60));
    Turns();
    EXPECT_FALSE(link->failing());
    EXPECT_EQ(link->role().said.role, ServerRole::kPrimary);
    backend->Close("the next one");
  }
}

TEST_F(ConnectionTest, WhoIsTooOldToSayItsRoleServes) {
  shard().handshake["HELLO"] = "-ERR unknown command 'HELLO'\r\n";
  Send(askers.emplace_back(Get("a")));
  EXPECT_EQ(shard().Requests(), "GET a");
  EXPECT_EQ(link->role().said.role, ServerRole::kUnknown);
}

TEST_F(ConnectionTest, ASentinelIsNoShard) {
  shard().handshake["HELLO"] = "*2\r\n$4\r\nmode\r\n$8\r\nsentinel\r\n";
  Asker& asker = askers.emplace_back(Get("a"));
  Send(asker);
  EXPECT_EQ(asker.told(), "-NOTAPPLIED shard a: it is a Sentinel, which has no keys|");
}

// The write's refusal is the sign; every connection goes, and reads are not answered from there.
TEST_F(ConnectionTest, APrimaryThatBecameAReplicaIsFoundOut) {
  Send(askers.emplace_back(Get("a")));
  shard().Send("+1\r\n");
  Connection* lent = backend->Borrow(3, 3);
  lent->Prepare();
  Turns();
  ASSERT_TRUE(lent->ready());
  EXPECT_FALSE(link->TakeSuspicion());
  shard().role = "replica";
  Asker& write = askers.emplace_back(Set("a"), false);
  Send(write);
  shard().Send("-READONLY You can't write against a read only replica.\r\n");
  Turns();
  EXPECT_THAT(write.told(), testing::StartsWith("-READONLY "));
  ASSERT_TRUE(link->TakeSuspicion());
  EXPECT_FALSE(link->TakeSuspicion());
  backend->AskRole();
  Turns();
  EXPECT_TRUE(link->failing());
  EXPECT_EQ(link->last_error(), "it is a replica of 10.0.0.1:6379");
  backend->Tick(loop.Now());
  EXPECT_FALSE(lent->ready());
  Asker& read = askers.emplace_back(Get("a"));
  Send(read);
  EXPECT_EQ(read.told(), "-NOTAPPLIED shard a: it is a replica of 10.0.0.1:6379|");
  backend->Return(lent);
}

// What the old server has is uncertain; what nobody has waits, and runs at the new one.
TEST_F(ConnectionTest, ASwitchLeavesTheOldServerBeforeTheNewOneGetsAnything) {
  FakeShard next;
  Asker& sent = askers.emplace_back(Set("sent"), false);
  Send(sent);
  link->place()->Leave();
  backend->Tick(loop.Now());
  EXPECT_THAT(sent.told(), testing::StartsWith("-UNCERTAIN shard a: another server is its "));
  Asker& waits = askers.emplace_back(Set("waits"), false);
  Send(waits);
  EXPECT_EQ(waits.answers, 0);
  EXPECT_EQ(shard().peers.size(), 1U);
  link->OnSwitched();
  link->place()->Arrive(next.address());
  backend->Tick(loop.Now());
  for (int i = 0; i < 12; ++i) {
    Turn();
    next.Poll();
  }
  EXPECT_EQ(next.Requests(), "SET waits v");
  EXPECT_EQ(shard().Requests(), "SET sent v");
  EXPECT_EQ(link->address(), next.address());
  EXPECT_EQ(link->place()->switches(), 1U);
  next.Send("+OK\r\n");
  Turns();
  EXPECT_EQ(waits.told(), "+OK|");
}

// It has not come up so far, and would at the wrong server.
TEST_F(ConnectionTest, ASwitchCatchesAConnectionOnItsWay) {
  shard().frozen = true;
  Asker& asker = askers.emplace_back(Get("a"));
  shared().Send(asker);
  loop.RunOnce();
  link->place()->Leave();
  backend->Tick(loop.Now());
  shard().frozen = false;
  Turns();
  EXPECT_FALSE(shared().ready());
  EXPECT_FALSE(shared().coming());
  EXPECT_EQ(asker.answers, 0);
  link->place()->Arrive(shard().address());
  backend->Tick(loop.Now());
  Turns();
  EXPECT_EQ(shard().Requests(), "GET a");
}

TEST_F(ConnectionTest, ALoadingShardIsUsedAndSpeaksForItself) {
  shard().handshake["PING"] = "-LOADING wait\r\n";
  Asker& asker = askers.emplace_back(Get("a"));
  Send(asker);
  EXPECT_EQ(shard().Requests(), "GET a");
}

// Its disk is full: PING is refused as a write is, and reads are not.
TEST_F(ConnectionTest, AShardThatTakesNoWritesForItsDiskIsReadAllTheSame) {
  shard().handshake["PING"] = "-MISCONF Redis is configured to save RDB snapshots\r\n";
  Asker& asker = askers.emplace_back(Get("a"));
  Send(asker);
  EXPECT_EQ(shard().Requests(), "GET a");
}

TEST_F(ConnectionTest, ABusyAnswerToSelectIsNoDatabaseChosen) {
  shard().handshake["SELECT"] = "-BUSY a script runs\r\n";
  Asker& asker = askers.emplace_back(Get("a"));
  backend->Shared(7, 2).Send(asker);
  Turns();
  EXPECT_EQ(shard().Requests(), "");
  EXPECT_FALSE(backend->Shared(7, 2).ready());
}

TEST_F(ConnectionTest, ARefusedHandshakeIsAFailureWithItsReason) {
  shard().handshake["PING"] = "-NOAUTH Authentication required.\r\n";
  Asker& asker = askers.emplace_back(Get("a"));
  Send(asker);
  EXPECT_THAT(link->last_error(), testing::HasSubstr("NOAUTH Authentication required."));
}

TEST_F(ConnectionTest, ALostWriteIsUncertainAndALostReadIsSentOnceMore) {
  Asker& write = askers.emplace_back(Set("w"), false);
  Asker& read = askers.emplace_back(Get("r"));
  shared().Send(write);
  Send(read);
  shard().Drop();
  Turns();
  EXPECT_THAT(write.told(), testing::StartsWith("-UNCERTAIN shard a: "));
  EXPECT_EQ(write.outcome, Outcome::kUncertain);
  EXPECT_EQ(read.answers, 0);
  shared().Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  ASSERT_EQ(shard().peers.size(), 2U);
  EXPECT_EQ(shard().peers[1]->requests, std::vector<std::string>{"GET r"});
  shard().Drop(1);
  Turns();
  EXPECT_THAT(read.told(), testing::StartsWith("-NOTAPPLIED shard a: "));
}

TEST_F(ConnectionTest, AnUnsentWriteWaitsForTheNextConnection) {
  shard().StopListening();
  Asker& write = askers.emplace_back(Set("w"), false);
  Send(write);
  EXPECT_EQ(write.answers, 0);
  shard().Listen();
  shared().Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  EXPECT_EQ(shard().Requests(), "SET w v");
}

TEST_F(ConnectionTest, AnUnsentWriteThatWaitsTooLongSurelyDidNothing) {
  shard().StopListening();
  Asker& write = askers.emplace_back(Set("w"), false);
  Send(write);
  shared().Tick(loop.Now() + std::chrono::seconds(6));
  EXPECT_THAT(write.told(), testing::StartsWith("-NOTAPPLIED shard a: "));
}

TEST_F(ConnectionTest, ASilentShardTimesOutAndItsConnectionIsNotUsedAgain) {
  Asker& read = askers.emplace_back(MakeRequest({"SET", "k", "v"}), false);
  Asker& next = askers.emplace_back(Get("b"));
  Send(read);
  shared().Tick(loop.Now() + std::chrono::seconds(6));
  EXPECT_THAT(read.told(), testing::StartsWith("-UNCERTAIN "));
  EXPECT_EQ(metrics.timeouts.value(), 1U);
  shared().Send(next);
  backend->Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  EXPECT_TRUE(shard().peers[0]->gone);
  shard().Send("+b\r\n", 1);
  Turns();
  EXPECT_EQ(next.told(), "+b|");
}

TEST_F(ConnectionTest, RequestsStillGoingOutDoNotHideAFrozenShard) {
  TearDown();
  BackendLimits limits;
  limits.command_timeout = Duration(1);
  Make(limits);
  Asker& first = askers.emplace_back(Set("a"), false);
  Asker& later = askers.emplace_back(Set("b"), false);
  Send(first);
  shared().Send(later);
  loop.RunOnce();
  shared().Tick(loop.Now());
  EXPECT_EQ(first.answers, 1);
}

TEST_F(ConnectionTest, AReplyThatNobodyAskedForClosesTheConnection) {
  Asker& asker = askers.emplace_back(Get("a"));
  Asker& next = askers.emplace_back(Get("b"));
  Send(asker);
  shard().Send("+a\r\n+who?\r\n");
  Turns();
  EXPECT_EQ(asker.told(), "+a|");
  Send(next);
  EXPECT_EQ(shard().peers.size(), 2U);
  EXPECT_EQ(shard().peers[1]->requests, std::vector<std::string>{"GET b"});
}

TEST_F(ConnectionTest, GarbageIsNeverHandedOn) {
  Asker& asker = askers.emplace_back(Set("a"), false);
  Send(asker);
  shard().Send("HTTP/1.1 400\r\n");
  Turns();
  EXPECT_THAT(asker.told(), testing::StartsWith("-UNCERTAIN shard a: it does not speak RESP"));
}

// Whoever asked for it is told; those behind him notice nothing.
TEST_F(ConnectionTest, AReplyThatNestsTooDeepIsToldToItsAskerOnly) {
  backend.reset();
  BackendLimits limits;
  limits.nesting = 8;
  Make(limits);
  const auto nested = [](int levels) {
    std::string reply;
    for (int i = 0; i < levels; ++i) reply += "*1\r\n";
    return reply + ":1\r\n";
  };
  Asker& fits = askers.emplace_back(Get("a"));
  Asker& deep = askers.emplace_back(Get("b"));
  Asker& next = askers.emplace_back(Get("c"));
  Send(fits);
  shared().Send(deep);
  shared().Send(next);
  Turns();
  shard().Send(nested(8) + nested(9).substr(0, 38));
  Turns();
  shard().Send(nested(9).substr(38) + "+c\r\n");
  Turns();
  EXPECT_EQ(fits.told(), "*1|*1|*1|*1|*1|*1|*1|*1|:1|");
  EXPECT_THAT(deep.told(), testing::StartsWith("-ERR the command was carried out, but its reply "
                                               "nests deeper than limits.nesting (8)"));
  EXPECT_EQ(next.told(), "+c|");
  EXPECT_EQ(shard().peers.size(), 1U);
}

TEST_F(ConnectionTest, AnEarlyRefusalOfAStreamedRequestIsItsReply) {
  Asker& asker = askers.emplace_back("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n", false);
  asker.streamed = true;
  Connection* lent = backend->Borrow(0, 2);
  lent->Send(asker);
  Turns();
  shard().Send("-ERR too large\r\n");
  Turns();
  EXPECT_EQ(asker.told(), "-ERR too large|");
  EXPECT_FALSE(lent->ready());
  lent->AppendToLast(Slice{"more", {}});
  EXPECT_EQ(lent->unsent(), 0U);
}

// Larger than any socket's buffer: its end is still here when the shard answers its beginning.
std::string LargeTransaction() {
  return MakeRequest({"MULTI"}) + MakeRequest({"SET", "k", std::string(8U << 20, 'v')}) +
         MakeRequest({"EXEC"});
}

TEST_F(ConnectionTest, TheFirstOfSeveralRequestsSentAsOneAreAnsweredBeforeTheLastAreOut) {
  Asker& asker = askers.emplace_back(LargeTransaction(), false);
  asker.replies_before = 2;
  Asker& next = askers.emplace_back(Get("b"));
  shard().answer = [](const std::string& request) {
    return request == "EXEC" ? "*1\r\n+OK\r\n" : request == "MULTI" ? "+OK\r\n" : "+QUEUED\r\n";
  };
  shared().Send(asker);
  shared().Send(next);
  for (int i = 0; i < 20; ++i) loop.RunOnce();
  shard().frozen = true;
  Turns();
  shard().frozen = false;
  for (int i = 0; i < 2000 && next.answers == 0; ++i) Turn();
  EXPECT_EQ(asker.told(), "+OK|+QUEUED|*1|+OK|");
  EXPECT_EQ(next.told(), "+QUEUED|");
  EXPECT_EQ(shard().peers.size(), 1U);
}

TEST_F(ConnectionTest, TheLastReplyOfAGroupThatIsNotOutYetIsNotBelieved) {
  Asker& asker = askers.emplace_back(LargeTransaction(), false);
  asker.replies_before = 2;
  shard().frozen = true;
  shared().Prepare();
  Turns();
  shard().frozen = false;
  Turns();
  shard().frozen = true;
  shared().Send(asker);
  Turns();
  shard().Send("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
  Turns();
  EXPECT_THAT(asker.told(),
              testing::HasSubstr("NOTAPPLIED shard a: it answered a request that it"));
}

TEST_F(ConnectionTest, ARefusalOfPartOfAGroupSaysWhyAndCostsOthersNothing) {
  Asker& asker = askers.emplace_back(LargeTransaction(), false);
  asker.replies_before = 2;
  Asker& next = askers.emplace_back(Get("b"));
  RefuseBeforeTheEnd({&asker, &next}, "+OK\r\n-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_THAT(asker.told(), testing::HasSubstr("-NOTAPPLIED shard a: it refused a request before"));
  EXPECT_THAT(asker.told(), testing::HasSubstr("invalid bulk length"));
  EXPECT_EQ(asker.outcome, Outcome::kNotApplied);
  EXPECT_EQ(link->failures(), 0U);
  shared().Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  ASSERT_EQ(shard().peers.size(), 2U);
  EXPECT_EQ(shard().peers[1]->requests, std::vector<std::string>{"GET b"});
}

TEST_F(ConnectionTest, ALargeRequestThatIsRefusedBeforeItsEndIsAnsweredByTheRefusal) {
  Asker& asker = askers.emplace_back(MakeRequest({"SET", "k", std::string(8U << 20, 'v')}), false);
  Asker& next = askers.emplace_back(Get("b"));
  RefuseBeforeTheEnd({&asker, &next}, "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_EQ(asker.told(), "-ERR Protocol error: invalid bulk length|");
  shared().Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  EXPECT_EQ(next.answers, 0);
  EXPECT_EQ(shard().peers.at(1)->requests, std::vector<std::string>{"GET b"});
}

TEST_F(ConnectionTest, ARequestThatCostsItsConnectionTwiceBeforeItIsOutIsGivenUp) {
  Asker& asker = askers.emplace_back(MakeRequest({"SET", "k", std::string(8U << 20, 'v')}), false);
  Asker& next = askers.emplace_back(Get("b"));
  shared().Send(asker);
  shared().Send(next);
  for (size_t peer = 0; peer < 2; ++peer) {
    Turns();
    shard().frozen = true;
    Turns();
    EXPECT_EQ(asker.answers, 0);
    shard().frozen = false;
    shard().Drop(peer);
    Turns();
    shared().Tick(loop.Now() + std::chrono::seconds(1));
  }
  EXPECT_THAT(asker.told(), testing::StartsWith("-NOTAPPLIED shard a: "));
  Turns();
  EXPECT_EQ(shard().peers.at(2)->requests, std::vector<std::string>{"GET b"});
}

TEST_F(ConnectionTest, ALargeReplyLeavesTheSharedPlaceToOthers) {
  Asker& large = askers.emplace_back(Get("large"));
  Asker& small = askers.emplace_back(Get("small"));
  Send(large);
  shard().Send("$1000000\r\nbegin");
  Turns();
  Send(small);
  ASSERT_EQ(shard().peers.size(), 2U);
  shard().Send("+small\r\n", 1);
  Turns();
  EXPECT_EQ(small.told(), "+small|");
  EXPECT_EQ(large.answers, 0);
  EXPECT_EQ(backends.route_epoch, 2U);
}

// Whoever waits until a key is nobody's any more does not wait for a slow reader.
TEST_F(ConnectionTest, ARequestWhoseReplyHasBegunIsCarriedOut) {
  Asker& large = askers.emplace_back(Get("large"));
  Asker& small = askers.emplace_back(Get("small"));
  Send(large);
  loop.RunOnce();
  const TimePoint sent = loop.Now();
  EXPECT_FALSE(backend->AnsweredUpTo(sent));
  shard().Send("$1000000\r\nbegin");
  Turns();
  EXPECT_TRUE(backend->AnsweredUpTo(sent));
  shared().Send(small);
  Turns();
  EXPECT_FALSE(backend->AnsweredUpTo(loop.Now()));
}

TEST_F(ConnectionTest, ADrainedLargeReplyConnectionIsLentNext) {
  Asker& large = askers.emplace_back(Get("large"));
  Send(large);
  std::string reply = "$600000\r\n" + std::string(600000, 'x') + "\r\n";
  for (Bytes rest = reply; !rest.empty(); Turn()) rest.remove_prefix(shard().SendSome(rest));
  Turns();
  EXPECT_EQ(large.reply.size(), reply.size());
  Connection* lent = backend->Borrow(0, 2);
  EXPECT_TRUE(lent->ready());
  EXPECT_EQ(shard().peers.size(), 1U);
}

TEST_F(ConnectionTest, ABackendWithALentConnectionIsNotIdle) {
  Connection* lent = backend->Borrow(0, 2);
  EXPECT_FALSE(backend->idle());
  backend->Discard(lent);
  EXPECT_TRUE(backend->idle());
}

TEST_F(ConnectionTest, AfterFiveFailuresCommandsFailAtOnceAndAttemptsAreSpaced) {
  shard().StopListening();
  TimePoint now = loop.Now();
  Asker& first = askers.emplace_back(Get("a"));
  Send(first);
  for (int i = 0; i < 20 && !link->failing(); ++i) {
    now += std::chrono::milliseconds(900);
    shared().Tick(now);
    Turns();
  }
  EXPECT_THAT(first.told(), testing::StartsWith("-NOTAPPLIED "));
  Asker& next = askers.emplace_back(Get("b"));
  shared().Send(next);
  EXPECT_THAT(next.told(), testing::StartsWith("-NOTAPPLIED "));
  EXPECT_EQ(link->failures(), 5U);
}

TEST_F(ConnectionTest, AnAskerMayAskAgainFromItsFailedAnswer) {
  Asker& first = askers.emplace_back(Set("a"), false);
  Asker& again = askers.emplace_back(Get("b"));
  first.then = [&] { shared().Send(again); };
  Send(first);
  shard().Drop();
  Turns();
  shared().Tick(loop.Now() + std::chrono::seconds(1));
  Turns();
  ASSERT_EQ(shard().peers.size(), 2U);
  shard().Send("+b\r\n", 1);
  Turns();
  EXPECT_EQ(again.told(), "+b|");
}

TEST_F(ConnectionTest, AWaitingRequestIsLostNeitherTwiceNorSilentlyAtTheEnd) {
  Asker& asker = askers.emplace_back(Set("a"), false);
  Send(asker);
  backend->Close("the end");
  EXPECT_EQ(asker.told(), "-UNCERTAIN shard a: the end|");
}

}  // namespace
}  // namespace ringmaster
