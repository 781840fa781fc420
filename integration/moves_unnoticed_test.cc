// The promise: who waits in a blocking command, or flushes, notices nothing of keys on the move.
#include <gtest/gtest.h>

#include "resp/request_writer.h"
#include "support/break_movers.h"
#include "support/cluster.h"
#include "support/fault_proxy.h"
#include "support/rebalance_status.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

class MovesUnnoticedTest : public testing::Test {
 protected:
  // Half of all keys go to a new shard. With one key a second most are still to come until
  // StartFast().
  void StartMove(int keys_a_second, const std::string& more_rules = "",
                 const std::string& more_lines = "") {
    ConfigText more = proxy_.config();
    more.pool().Shard("extra", link_.address(), "weight: 2");
    more.more = "rebalance: {max_keys_per_second: " + std::to_string(keys_a_second) + more_rules +
                "}\n" + more_lines;
    proxy_.Reload(more);
    ASSERT_TRUE(Eventually([&] { return StatusField(proxy_, "epoch") == "2"; }));
  }
  // The rest as quickly as it goes.
  void StartFast() {
    ConfigText more = proxy_.config();
    more.more = "rebalance: {max_keys_per_second: 0}";
    proxy_.Reload(more);
  }
  bool MoveEnds() {
    return proxy_.LogSays("every key has arrived", kMovePatience) &&
           Eventually([&] { return StatusField(proxy_, "state") == "stable"; });
  }
  void Fill(int keys) {
    std::vector<std::vector<std::string>> commands;
    for (int i = 0; i < keys; ++i) commands.push_back({"SET", "key:" + std::to_string(i), "v"});
    client_.Pipeline(commands);
  }
  bool BlockedClients(size_t count) {
    return Eventually([&] {
      const std::string info = client_.CommandRaw({"INFO", "clients"});
      return info.find("blocked_clients:" + std::to_string(count) + "\r") != std::string::npos;
    });
  }

  RedisServer extra_;
  FaultProxy link_{extra_.address()};
  Cluster cluster_{ClusterOptions{.shards = 2}};
  ProxyProcess& proxy_ = cluster_.proxy();
  Client client_ = cluster_.Connect();
};

TEST_F(MovesUnnoticedTest, WhoWaitsForDataGetsItAfterTheSwitch) {
  constexpr int kWaiters = 40;
  Fill(2000);
  std::vector<Client> waiters;
  for (int i = 0; i < kWaiters; ++i) {
    const std::string n = std::to_string(i);
    waiters.push_back(cluster_.Connect());
    switch (i % 4) {
      case 0:
        waiters.back().Send("BLPOP l:" + n + " 0\r\n");
        break;
      case 1:
        waiters.back().Send("BLPOP l:" + n + " m:" + n + " k:" + n + " 30\r\n");
        break;
      case 2:
        client_.Command({"XADD", "l:" + n, "1-1", "f", "old"});
        waiters.back().Send("XREAD BLOCK 30000 STREAMS l:" + n + " $\r\n");
        break;
      default:
        waiters.back().Send("BLMOVE l:" + n + " to:{l:" + n + "} LEFT LEFT 30\r\n");
    }
  }
  ASSERT_TRUE(BlockedClients(kWaiters));
  StartMove(1000);
  ASSERT_TRUE(BlockedClients(kWaiters));
  for (int i = 0; i < kWaiters; ++i) {
    const std::string key = "l:" + std::to_string(i);
    if (i % 4 == 2) {
      EXPECT_EQ(client_.Command({"XADD", key, "2-1", "f", "new"}), "\"2-1\"");
    } else {
      EXPECT_EQ(client_.Command({"RPUSH", key, "new"}), "(integer) 1");
    }
    const std::string got = waiters[i].Read();
    EXPECT_NE(got.find("new"), std::string::npos) << i << ": " << got;
    EXPECT_EQ(got.find("old"), std::string::npos) << i << ": " << got;
  }
  ASSERT_TRUE(MoveEnds());
}

TEST_F(MovesUnnoticedTest, WhoWaitsWhileTheMoveEndsGoesOnWaiting) {
  std::vector<Client> waiters;
  Fill(500);
  StartMove(1);
  for (int i = 0; i < 30; ++i) {
    const std::string n = std::to_string(i);
    waiters.push_back(cluster_.Connect());
    waiters.back().Send(i % 2 == 0 ? "BRPOP a:" + n + " 0\r\n"
                                   : "BRPOP a:" + n + " b:" + n + " c:" + n + " 0\r\n");
  }
  ASSERT_TRUE(BlockedClients(30));
  StartFast();
  ASSERT_TRUE(MoveEnds());
  for (int i = 0; i < 30; ++i) {
    const std::string key = "a:" + std::to_string(i);
    client_.Command({"RPUSH", key, "x"});
    EXPECT_EQ(waiters[i].Read(), "[\"" + key + "\", \"x\"]");
  }
}

TEST_F(MovesUnnoticedTest, TimesThatClientsWaitStayWhatTheyAsked) {
  std::vector<Client> waiters;
  for (int i = 0; i < 8; ++i) waiters.push_back(cluster_.Connect());
  const TimePoint began = MonotonicNow();
  for (int i = 0; i < 8; ++i) {
    waiters[i].Send("BLPOP nothing:" + std::to_string(i) + " 1.5\r\n");
  }
  StartMove(1000);
  // Of a Client: within its patience, which a wait that began anew for good would outlast.
  for (Client& waiter : waiters) EXPECT_EQ(waiter.Read(), "(nil array)");
  EXPECT_GE(MonotonicNow() - began, std::chrono::milliseconds(1500));
}

TEST_F(MovesUnnoticedTest, TransactionThatIsRefusedIsOver) {
  Fill(3000);
  StartMove(1);
  cluster_.server(0).Kill();
  cluster_.server(1).Kill();
  std::vector<std::vector<std::string>> commands = {{"MULTI"}};
  for (int i = 0; i < 40; ++i) commands.push_back({"GET", "key:" + std::to_string(i)});
  commands.push_back({"EXEC"});
  const std::string said = client_.Pipeline(commands).back();
  EXPECT_EQ(said.substr(0, 19), "(error) NOTAPPLIED ") << said;
  EXPECT_EQ(client_.Command({"ECHO", "free"}), "\"free\"");
  EXPECT_EQ(client_.Command({"EXEC"}), "(error) ERR EXEC without MULTI");
}

TEST_F(MovesUnnoticedTest, FlushDuringAMoveLeavesNothingAndIsNotRefused) {
  for (const bool in_transaction : {false, true}) {
    Fill(3000);
    if (StatusField(proxy_, "epoch") == "1") {
      StartMove(1);
      // What is flushed would end it.
      client_.Command({"PROXY", "REBALANCE", "PAUSE"});
    }
    ASSERT_EQ(StatusField(proxy_, "state"), "moving");
    std::vector<std::vector<std::string>> commands;
    if (in_transaction) commands.push_back({"MULTI"});
    for (int i = 0; i < 50; ++i) commands.push_back({"SET", "before:" + std::to_string(i), "v"});
    commands.push_back({"FLUSHALL"});
    commands.push_back({"SET", "after", "v"});
    if (in_transaction) commands.push_back({"EXEC"});
    const std::vector<std::string> replies = client_.Pipeline(commands);
    if (!in_transaction) {
      EXPECT_EQ(replies[50], "OK");
      EXPECT_EQ(replies[51], "OK");
    } else {
      EXPECT_EQ(replies.back().find("NOTAPPLIED"), std::string::npos) << replies.back();
    }
    EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 1");
    EXPECT_EQ(client_.Command({"KEYS", "*"}), "[\"after\"]");
    EXPECT_EQ(client_.Command({"GET", "key:1"}), "(nil)");
    if (!in_transaction) Fill(3000);
  }
  client_.Command({"PROXY", "REBALANCE", "RESUME"});
  StartFast();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 1");
}

// A flush stops what carries keys. Its EXEC must not do so while it still waits: for the keys that
// a pattern names, or for a lock of somebody who waits for a key.
class FlushInTransactionTest : public MovesUnnoticedTest {
 protected:
  static constexpr int kObjects = 40;

  FlushInTransactionTest() {
    const std::string large(100'000, 'v');  // a worker leaves it to the mover
    for (int i = 0; i < kObjects; ++i) {
      client_.Command({"RPUSH", "ids", std::to_string(i)});
      client_.Command({"SET", "object_" + std::to_string(i), large});
    }
    StartMove(1);
    client_.Command({"PROXY", "REBALANCE", "PAUSE"});
  }
  ~FlushInTransactionTest() override {
    client_.Command({"FLUSHALL"});
    EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
    client_.Command({"PROXY", "REBALANCE", "RESUME"});
    StartFast();
    EXPECT_TRUE(MoveEnds());
    EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 0");
  }

  Client Connect() {
    Client client = cluster_.Connect();
    client.set_patience(std::chrono::seconds(20));
    return client;
  }
  // One that does not move.
  std::string KeyStayingOn(const std::string& shard) {
    for (int i = 0; i < 1000; ++i) {
      std::string key = shard + "_" + std::to_string(i);
      const std::string said = client_.Command({"PROXY", "LOCATE", key});
      if (said.find(shard) != std::string::npos && said.find("extra") == std::string::npos) {
        return key;
      }
    }
    ADD_FAILURE() << "no key stays on " << shard;
    return "";
  }
  std::vector<std::string> Sort(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"SORT", "ids", "BY", "nosort", "GET", "object_*"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(FlushInTransactionTest, AfterKeysThatAPatternNames) {
  Client client = Connect();
  const std::string reply = client.Pipeline({{"MULTI"}, Sort(), {"FLUSHALL"}, {"EXEC"}}).back();
  size_t objects = 0;
  for (size_t at = 0; (at = reply.find("\"vvv", at)) != std::string::npos; ++at) ++objects;
  EXPECT_EQ(objects, size_t{kObjects}) << reply.substr(0, 200);
}

TEST_F(FlushInTransactionTest, AfterALockOfWhomItStops) {
  const std::string first = KeyStayingOn("s0"), second = KeyStayingOn("s1");
  // When the donor goes on it gets the lock of the key it stores in, and then waits for objects.
  cluster_.server(0).Pause();
  Client sorts = Connect();
  sorts.Send(Encode(Sort({"STORE", second})));
  ASSERT_TRUE(proxy_.AwaitCommand("sort"));
  Client flushes = Connect();
  flushes.Pipeline({{"MULTI"}, {"MSET", first, "1", second, "1"}, {"FLUSHALL"}});
  flushes.Send(MakeRequest({"EXEC"}));
  ASSERT_TRUE(proxy_.AwaitCommand("exec"));
  cluster_.server(0).Resume();
  const std::string sorted = sorts.Read();  // before the flush, or after it
  EXPECT_TRUE(sorted == "(integer) 40" || sorted == "(integer) 0") << sorted;
  EXPECT_EQ(flushes.Read(), "[OK, OK]");
}

// FIELD.md B8.
TEST_F(MovesUnnoticedTest, WatchedKeysThatMoveMakeExecNilAndLeaveNoTransactionBehind) {
  Fill(400);
  std::vector<Client> watchers;
  for (int i = 0; i < 40; ++i) {
    watchers.push_back(cluster_.Connect());
    watchers.back().Command({"WATCH", "key:" + std::to_string(i)});
  }
  StartMove(2000);
  ASSERT_TRUE(MoveEnds());
  int nil = 0;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "key:" + std::to_string(i);
    const std::vector<std::string> replies =
        watchers[i].Pipeline({{"MULTI"}, {"SET", key, "new"}, {"GET", key}, {"EXEC"}});
    const std::string& said = replies.back();
    // One whose ring did not change may go through; one that moved must not.
    EXPECT_TRUE(said == "(nil array)" || said == "(nil)" || said == "[OK, \"new\"]") << said;
    const bool moved = extra_.Command({"EXISTS", key}) == "(integer) 1";
    EXPECT_FALSE(moved && said == "[OK, \"new\"]") << key;
    nil += said.find("nil") != std::string::npos ? 1 : 0;
    EXPECT_EQ(client_.Command({"GET", key}),
              said.find("nil") != std::string::npos ? "\"v\"" : "\"new\"");
    EXPECT_EQ(watchers[i].Command({"EXEC"}), "(error) ERR EXEC without MULTI");
  }
  EXPECT_GT(nil, 10);
}

// FIELD.md B9. In one piece each would stop two servers for a second.
TEST_F(MovesUnnoticedTest, HashOfHalfAMillionFieldsMovesInPiecesAndOthersAreServedMeanwhile) {
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back("huge:" + std::to_string(i));
  // In steps: all at once is more than a busy machine's server does within the command timeout.
  const std::string fill =
      "for i = ARGV[1] + 1, ARGV[1] + 25000 do redis.call('HSET', KEYS[1], 'f' .. i, 'value ' .. "
      "i) "
      "end return 1";
  for (const std::string& name : names) {
    for (int from = 0; from < 500000; from += 25000) {
      ASSERT_EQ(client_.Command({"EVAL", fill, "1", name, std::to_string(from)}), "(integer) 1");
    }
  }
  Fill(100);
  StartMove(0, "", "schedule: {background_share: 0.5}");
  size_t served = 0;
  do {
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(client_.Command({"GET", "key:" + std::to_string(served++ % 100)}), "\"v\"");
    }
  } while (StatusField(proxy_, "state") != "stable" && served < 1'000'000);
  ASSERT_TRUE(MoveEnds());
  int moved = 0;
  for (const std::string& name : names) {
    EXPECT_EQ(client_.Command({"HLEN", name}), "(integer) 500000");
    EXPECT_EQ(client_.Command({"HGET", name, "f499999"}), "\"value 499999\"");
    moved += extra_.Command({"EXISTS", name}) == "(integer) 1" ? 1 : 0;
  }
  EXPECT_GT(moved, 0);
  // A thousand fields at most are in a piece.
  const std::string stats = extra_.Connect().CommandRaw({"INFO", "commandstats"});
  const std::string name = "cmdstat_hset:calls=";
  const size_t at = stats.find(name);
  ASSERT_NE(at, std::string::npos) << stats;
  EXPECT_GE(std::stoi(stats.substr(at + name.size())), moved * 400) << stats;
}

// While a large key is copied, clients fetch other keys of its batch and delete them.
TEST_F(MovesUnnoticedTest, KeysDeletedWhileALargeOneOfTheirBatchMovesStayDeleted) {
  const std::string fill =
      "for i = 1, 200000 do redis.call('HSET', KEYS[1], 'f' .. i, 'value ' .. i) end return 1";
  constexpr int kHuge = 4;  // some of them move
  for (int i = 0; i < kHuge; ++i) {
    ASSERT_EQ(client_.Command({"EVAL", fill, "1", "huge:" + std::to_string(i)}), "(integer) 1");
  }
  constexpr int kKeys = 200;
  Fill(kKeys);
  link_.Throttle(300'000);
  StartMove(0, ", batch: 1024");
  // Its pieces have begun to arrive: the batch is on its way.
  ASSERT_TRUE(Eventually([&] { return extra_.Command({"KEYS", "__rm:mv:*"}) != "[]"; }));
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < kKeys; ++i) commands.push_back({"DEL", "key:" + std::to_string(i)});
  for (const std::string& reply : client_.Pipeline(commands)) EXPECT_EQ(reply, "(integer) 1");
  ASSERT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  link_.Heal();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) " + std::to_string(kHuge));
  for (int i = 0; i < kHuge; ++i) {
    EXPECT_EQ(client_.Command({"HLEN", "huge:" + std::to_string(i)}), "(integer) 200000");
  }
}

// Each worker knows for itself which keys have arrived. Who came before the locks of a write over
// several shards, and waits for a key on another worker, is served before that write, and never in
// its middle.
TEST_F(MovesUnnoticedTest, ReadsThatWaitForAKeyAreServedBeforeAWriteThatLocksIt) {
  Fill(300);
  StartMove(1);
  const RedisServer& donor = cluster_.server(0);
  std::string moving, staying;
  for (int i = 0; i < 300; ++i) {
    const std::string key = "key:" + std::to_string(i);
    const std::string owner = client_.Command({"PROXY", "LOCATE", key});
    if (donor.Command({"EXISTS", key}) == "(integer) 1" &&
        owner.find("extra") != std::string::npos) {
      moving = key;
    }
    if (owner.find("s1") != std::string::npos) staying = key;
  }
  ASSERT_FALSE(moving.empty() || staying.empty());
  // It is here, and the worker of this client knows it.
  EXPECT_EQ(client_.Command({"GET", moving}), "\"v\"");
  cluster_.server(0).Pause();
  std::vector<Client> others;
  for (int i = 0; i < 8; ++i) {
    others.push_back(cluster_.Connect());
    others.back().Send(MakeRequest({"GET", moving}));
  }
  ASSERT_TRUE(Eventually([&] {
    const std::string list = client_.CommandRaw({"CLIENT", "LIST"});
    size_t gets = 0;
    for (size_t at = list.find("cmd=get"); at != std::string::npos;) {
      ++gets;
      at = list.find("cmd=get", at + 1);
    }
    return gets >= others.size();
  }));
  client_.Send(MakeRequest({"MSET", moving, "new", staying, "new"}));
  // Long enough for a write that waits for nobody.
  EXPECT_TRUE(client_.Silent(std::chrono::milliseconds(300)));
  cluster_.server(0).Resume();
  for (Client& other : others) EXPECT_EQ(other.Read(), "\"v\"");
  EXPECT_EQ(client_.Read(), "OK");
  EXPECT_EQ(client_.Command({"GET", moving}), "\"new\"");
  StartFast();
  ASSERT_TRUE(MoveEnds());
}

TEST_F(MovesUnnoticedTest, PatternsOfSortNameKeysThatAreStillToCome) {
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    for (const std::string tag : {"", "{one}"}) {
      commands.push_back({"RPUSH", tag + "ids", n});
      commands.push_back({"SET", tag + "weight_" + n, std::to_string(60 - i)});
      commands.push_back({"HSET", tag + "object_" + n, "name", "n" + n});
    }
  }
  // Keys that nobody asks for: the move does not end before they came.
  for (int i = 0; i < 100; ++i) commands.push_back({"SET", "other" + std::to_string(i), "v"});
  client_.Pipeline(commands);
  const auto sorted = [&](const std::string& tag) {
    return client_.Command(
        {"SORT", tag + "ids", "BY", tag + "weight_*", "GET", tag + "object_*->name"});
  };
  const std::string before = sorted("");
  ASSERT_NE(before.find("\"n59\", \"n58\""), std::string::npos) << before;
  StartMove(1);
  EXPECT_EQ(sorted("{one}"), before);
  EXPECT_EQ(sorted(""), before);
  EXPECT_EQ(
      client_
          .Pipeline(
              {{"MULTI"}, {"SORT", "ids", "BY", "weight_*", "GET", "object_*->name"}, {"EXEC"}})
          .back(),
      "[" + before + "]");
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  StartFast();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(sorted(""), before);
}

// The pause that a slow rate asks for would last minutes; a faster one ends it.
TEST_F(MovesUnnoticedTest, AFasterRateHoldsAtOnce) {
  Fill(4000);
  StartMove(1, ", batch: 1024");
  ASSERT_TRUE(Eventually([&] { return extra_.Command({"DBSIZE"}) != "(integer) 1"; }));
  EXPECT_EQ(StatusField(proxy_, "state"), "moving");
  StartFast();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) 4000");
}

// Workers carry the keys that their clients wait for over connections of their own, which break
// here in the middle of it, on the old owners and on the new one.
TEST_F(MovesUnnoticedTest, ConnectionsThatBreakWhileKeysArePulledLoseAndDoubleNothing) {
  constexpr int kChunks = 12;
  constexpr int kKeys = 200;  // of a chunk
  Fill(kChunks * kKeys);
  StartMove(1);
  std::vector<const RedisServer*> servers = {&cluster_.server(0), &cluster_.server(1), &extra_};
  int broken = 0;
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    std::string appends;
    for (int i = 0; i < kKeys; ++i) {
      const std::string key = "key:" + std::to_string(chunk * kKeys + i);
      appends += MakeRequest({"APPEND", key, "x"});
    }
    client_.Send(appends);
    for (const RedisServer* server : servers) broken += BreakMovers(*server);
    for (const std::string& reply : client_.Read(kKeys)) EXPECT_EQ(reply, "(integer) 2");
  }
  EXPECT_GT(broken, kChunks);
  EXPECT_EQ(StatusField(proxy_, "state"), "moving") << "it ended too soon to show anything";
  StartFast();
  ASSERT_TRUE(MoveEnds());
  EXPECT_EQ(client_.Command({"DBSIZE"}), "(integer) " + std::to_string(kChunks * kKeys));
  for (int i = 0; i < kChunks * kKeys; i += 7) {
    EXPECT_EQ(client_.Command({"GET", "key:" + std::to_string(i)}), "\"vx\"");
  }
}

}  // namespace
}  // namespace ringmaster::integration
