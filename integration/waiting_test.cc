// The promise: who waits does not keep others waiting. Whatever waits, for data, locks or a move,
// has a deadline and notices that its client has gone; no worker spins meanwhile, and SIGTERM ends
// the proxy in time.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Runs each on a thread of its own, for so long.
void RunFor(Duration duration, const std::vector<std::function<void()>>& rounds) {
  const TimePoint end = MonotonicNow() + duration;
  std::vector<std::thread> threads;
  threads.reserve(rounds.size());
  for (const auto& round : rounds) {
    threads.emplace_back([&round, end] {
      while (MonotonicNow() < end) round();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class WaitingTest : public testing::Test {
 protected:
  // Nothing is to be done: what of a processor the proxy needs for that.
  double IdleShare() {
    const TimePoint since = MonotonicNow();
    const double before = CpuSeconds(cluster_.proxy().pid());
    std::this_thread::sleep_for(seconds(1));
    const std::chrono::duration<double> took = MonotonicNow() - since;
    return (CpuSeconds(cluster_.proxy().pid()) - before) / took.count();
  }

  Cluster cluster_{ClusterOptions{.shards = 3}};
  const std::string k0_ = cluster_.KeyOn(0);
  const std::string k1_ = cluster_.KeyOn(1);
};

// The keys are locked by transactions over shards again and again, also when a wait ends: what is
// left of its time then is less than a timer's resolution.
TEST_F(WaitingTest, ForDataOfSeveralShardsBesideSagasNoWorkerSpins) {
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(cluster_.Connect());
    clients.back().set_patience(seconds(5));
  }
  std::atomic<int> popped{0}, late{0}, wrong{0};
  std::vector<std::function<void()>> rounds;
  rounds.reserve(clients.size());
  for (int i = 0; i < 2; ++i) {
    rounds.emplace_back([this, &client = clients[i], &wrong] {
      const auto replies = client.Pipeline(
          {{"MULTI"}, {"RPUSH", k0_, "a"}, {"RPUSH", k1_, "b"}, {"EXEC"}, {"DEL", k0_, k1_}});
      if (replies[3].substr(0, 2) != "[(" || replies[4].substr(0, 9) != "(integer)") {
        ++wrong;
        ADD_FAILURE() << replies[3] << " " << replies[4];
      }
    });
  }
  const std::vector<std::vector<std::string>> waits = {
      {"BLPOP", k0_, k1_, "0.02"},
      {"BRPOP", k1_, k0_, "0.0113"},
      {"BLMPOP", "0.0107", "2", k0_, k1_, "LEFT"},
      {"BZPOPMIN", k0_ + "z", k1_ + "z", "0.0051"},
      {"BZMPOP", "0.0003", "2", k0_ + "z", k1_ + "z", "MIN"},
      {"XREAD", "BLOCK", "7", "STREAMS", k0_ + "s", k1_ + "s", "$", "$"},
      {"BLPOP", k0_, k1_, "1"},
      {"BLMOVE", k0_, k1_, "LEFT", "RIGHT", "0.0009"},
  };
  for (size_t i = 0; i < waits.size(); ++i) {
    rounds.emplace_back([&, &client = clients[2 + i], &wait = waits[i]] {
      const std::string reply = client.Command(wait);
      if (reply == "(nil array)" || reply == "(nil)") {
        ++late;
      } else if (reply.starts_with("[") || reply == "\"a\"" || reply == "\"b\"") {
        ++popped;
      } else {
        if (wrong++ == 0) ADD_FAILURE() << wait[0] << ": " << reply;
        client = cluster_.Connect();
        client.set_patience(seconds(5));
      }
    });
  }
  RunFor(seconds(6), rounds);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(popped, 50);
  EXPECT_GT(late, 50);
  EXPECT_LT(IdleShare(), 0.3);
  EXPECT_EQ(cluster_.proxy().Command({"PING"}), "PONG");
  EXPECT_EQ(cluster_.proxy().Terminate(seconds(8)), 0);
}

TEST_F(WaitingTest, ClientThatResetsWhileItWaitsIsNoticed) {
  Client client = cluster_.Connect();
  const auto says = [&](const std::string& field) {
    return Eventually([&] {
      return client.Command({"INFO", "clients"}).find(field) != std::string::npos;
    });
  };
  for (const std::vector<std::string>& waits : {std::vector<std::string>{"BLPOP", k0_, "0"},
                                                {"BLPOP", k0_, k1_, "0"},
                                                {"BLMOVE", k0_, k1_, "LEFT", "LEFT", "0"},
                                                {"XREAD", "BLOCK", "0", "STREAMS", k0_, "$"}}) {
    Client leaves = cluster_.Connect();
    leaves.Send(Encode(waits));
    ASSERT_TRUE(says("blocked_clients:1\\x0d")) << waits[0];
    leaves.Reset();
    EXPECT_TRUE(says("blocked_clients:0\\x0d")) << waits[0];
    EXPECT_TRUE(says("connected_clients:1\\x0d")) << waits[0];
  }
}

TEST_F(WaitingTest, ClientThatLeavesDuringAPauseIsNoticed) {
  Client client = cluster_.Connect();
  ASSERT_EQ(client.Command({"CLIENT", "PAUSE", "60000", "WRITE"}), "OK");
  const auto says = [&](const std::string& field) {
    return Eventually([&] {
      return client.Command({"INFO", "clients"}).find(field) != std::string::npos;
    });
  };
  {
    Client leaves = cluster_.Connect();
    leaves.Send(Encode({"SET", k0_, "v"}));
    ASSERT_TRUE(says("blocked_clients:1\\x0d"));
  }
  EXPECT_TRUE(says("blocked_clients:0\\x0d"));
  EXPECT_TRUE(says("connected_clients:1\\x0d"));
  EXPECT_EQ(client.Command({"CLIENT", "UNPAUSE"}), "OK");
  EXPECT_EQ(client.Command({"GET", k0_}), "(nil)");
}

// What an EXEC or the background asks of all shards waits until what a saga left there is gone; its
// client does not wait for that.
class LeavingTest : public testing::TestWithParam<const char*> {};

TEST_P(LeavingTest, WhileACommandWaitsForWhatSagasLeft) {
  Cluster cluster({.shards = 3, .more = GetParam()});
  const std::string k0 = cluster.KeyOn(0), k1 = cluster.KeyOn(1);
  const auto round = [&](uint64_t seed) {
    Random random(seed);
    Client killer = cluster.Connect();
    for (int i = 0; i < 150; ++i) {
      Client client = cluster.Connect();
      const std::string id = client.Command({"CLIENT", "ID"});
      if (!id.starts_with("(integer) ")) {
        ADD_FAILURE() << "it says of its id: " << id;
        return;
      }
      std::string requests = Encode({"MSET", k0, "v", k1, "v"});
      const std::string whole = EncodeAll({{"KEYS", "*"}, {"SCAN", "0"}, {"DBSIZE"}});
      if (random.Below(3) > 0) {
        requests += Encode({"MULTI"}) + Encode({"GET", k0}) + whole + Encode({"EXEC"});
      } else {
        requests += whole;
      }
      client.Send(requests);
      if (random.Below(2) == 0) (void)client.Read();
      if (random.Below(2) == 0) {
        client.Reset();
      } else {
        killer.Command({"CLIENT", "KILL", "ID", id.substr(10)});
      }
    }
  };
  std::thread other([&] { round(2); });
  round(1);
  other.join();
  Client client = cluster.Connect();
  EXPECT_EQ(client.Command({"GET", k0}), "\"v\"");
  EXPECT_EQ(client.Command({"MSET", k0, "w", k1, "w"}), "OK");
  EXPECT_NE(client.Command({"KEYS", "*"}).find(k0), std::string::npos);
  EXPECT_EQ(client.Command({"INFO", "ringmaster"}).find("jobs"), std::string::npos);
  client.Close();
  EXPECT_EQ(cluster.proxy().Terminate(seconds(20)), 0);
}

INSTANTIATE_TEST_SUITE_P(AtOnceAndInBackground, LeavingTest,
                         testing::Values("", "schedule: {background: [keys, scan, dbsize]}"),
                         [](const auto& info) {
                           return *info.param == '\0' ? "AtOnce" : "InBackground";
                         });

// Locked keys hold back more than there is room for, and FLUSHALL comes on top. All that was taken
// is given back.
TEST_F(WaitingTest, FlushBehindMoreThanMayWaitForLocks) {
  const std::string value(6 << 20, 'v');
  for (int round = 0; round < 3; ++round) {
    // A shard that does not answer keeps the saga from its end, and its keys locked.
    cluster_.server(1).Pause();
    Client saga = cluster_.Connect();
    saga.Send(Encode({"MSET", k0_, "v", k1_, "v"}));
    std::vector<Client> clients;
    for (int i = 0; i < 16; ++i) {
      clients.push_back(cluster_.Connect());
      clients.back().Send(Encode({"MSET", k0_, value, k0_, value}));
    }
    clients.push_back(cluster_.Connect());
    clients.back().Send(Encode({"FLUSHALL"}));
    for (Client& client : clients) {
      const std::string reply = client.Read();
      EXPECT_TRUE(reply == "OK" || reply.find("NOTAPPLIED") != std::string::npos ||
                  reply.find("UNCERTAIN") != std::string::npos)
          << reply;
    }
    cluster_.server(1).Resume();
    (void)saga.Read();
  }
  Client client = cluster_.Connect();
  EXPECT_TRUE(Eventually([&] { return client.Command({"MSET", k0_, "1", k1_, "1"}) == "OK"; }));
  EXPECT_EQ(client.Command({"MGET", k0_, k1_}), "[\"1\", \"1\"]");
  EXPECT_EQ(cluster_.proxy().Terminate(seconds(20)), 0);
}

// Everything that waits, and everything that ends a wait.
class Mix {
 public:
  Mix(Cluster& cluster, uint64_t seed) : cluster_(cluster), random_(seed), client_(Connect()) {}

  void Step() {
    if (random_.Below(12) == 0) return HangUp();
    const std::vector<std::vector<std::string>> commands = Commands();
    for (const std::string& reply : client_.Pipeline(commands)) {
      if (reply == "<timeout>") ADD_FAILURE() << "no reply to " << commands.back()[0];
      if (!reply.starts_with("<")) continue;
      client_ = Connect();
      return;
    }
  }

 private:
  Client Connect() {
    Client client = cluster_.Connect();
    client.set_patience(seconds(30));
    return client;
  }

  // Of three shards, and of several databases now and then.
  std::string Key() { return "mix:" + std::to_string(random_.Below(12)); }
  std::string Timeout() {
    constexpr const char* kTimeouts[] = {"0.0001", "0.0009", "0.001", "0.0015", "0.0123", "0.05"};
    return kTimeouts[random_.Below(std::size(kTimeouts))];
  }
  std::string Id() { return std::to_string(1 + random_.Below(400)); }

  std::vector<std::string> Waits() {
    switch (random_.Below(8)) {
      case 0:
        return {"BRPOP", Key(), Timeout()};
      case 1:
        return {"BLMPOP", Timeout(), "3", Key(), Key(), Key(), "LEFT"};
      case 2:
        return {"BZPOPMAX", Key() + "z", Key() + "z", Timeout()};
      case 3:
        return {"XREAD",   "BLOCK",     std::to_string(1 + random_.Below(20)),
                "STREAMS", Key() + "s", Key() + "s",
                "$",       "$"};
      case 4:
        return {"BLMOVE", Key(), Key(), "LEFT", "RIGHT", Timeout()};
      case 5:
        return {"WAIT", "1", std::to_string(1 + random_.Below(20))};
      default:
        return {"BLPOP", Key(), Key(), Key(), Timeout()};
    }
  }

  std::vector<std::string> OverShards() {
    switch (random_.Below(9)) {
      case 0:
        return {"MSET", Key() + "t", "1", Key() + "t", "2", Key() + "t", "3"};
      case 1:
        return {"DEL", Key(), Key(), Key()};
      case 2:
        return {"RENAME", Key() + "t", Key() + "t"};
      case 3:
        return {"SUNIONSTORE", Key() + "u", Key() + "u", Key() + "u"};
      case 4:
        return {"KEYS", "mix:*"};
      case 5:
        return {"SCAN", "0", "COUNT", "100"};
      case 6:
        return {"DBSIZE"};
      case 7:
        return {"SORT", Key(), "BY", "mix:*t", "ALPHA"};
      default:
        return {"RPUSH", Key(), "a", "b"};
    }
  }

  std::vector<std::string> Interferes() {
    switch (random_.Below(12)) {
      case 0:
        return {"FLUSHALL"};
      case 1:
        return {"CLIENT", "KILL", "ID", Id()};
      case 2:
        return {"CLIENT", "UNBLOCK", Id()};
      case 3:
        return {"CLIENT", "PAUSE", std::to_string(random_.Below(8)), "WRITE"};
      case 4:
        return {"INFO"};
      case 5:
        return {"PROXY", "SHARDS"};
      case 6:
        return {"PROXY", "VERIFY"};
      case 7:
        return {"CONFIG", "GET", "maxmemory"};
      case 8:
        return {"RANDOMKEY"};
      case 9:
        return {"CLIENT", "LIST"};
      case 10:
        return {"WATCH", Key(), Key()};
      default:
        return {"XADD", Key() + "s", "*", "f", "v"};
    }
  }

  std::vector<std::string> Any() {
    switch (random_.Below(5)) {
      case 0:
        return Interferes();
      case 1:
      case 2:
        return OverShards();
      default:
        return Waits();
    }
  }

  std::vector<std::vector<std::string>> Commands() {
    std::vector<std::vector<std::string>> commands;
    if (random_.Below(3) > 0) {
      for (uint64_t n = 1 + random_.Below(3); n > 0; --n) commands.push_back(Any());
      return commands;
    }
    commands.push_back({"MULTI"});
    for (uint64_t n = 1 + random_.Below(5); n > 0; --n) {
      std::vector<std::string> words = Any();
      if (words[0] == "WATCH") words = {"PING"};
      commands.push_back(std::move(words));
    }
    commands.push_back({random_.Below(10) == 0 ? "DISCARD" : "EXEC"});
    return commands;
  }

  // In the middle of it, maybe in the middle of a request, or of one that never ends by itself.
  void HangUp() {
    std::string bytes = EncodeAll(Commands());
    switch (random_.Below(6)) {
      case 0:
        bytes += Encode({"BLPOP", Key(), Key(), "0"});
        break;
      case 1:
        bytes += Encode({"SUBSCRIBE", "channel"});
        break;
      case 2:
        bytes += Encode({"SET", Key() + "large", std::string(300000, 'v')}).substr(0, 200000);
        break;
      case 3:
        bytes.resize(1 + random_.Below(bytes.size()));
        break;
      default:
        break;
    }
    client_.Send(bytes);
    if (random_.Below(2) == 0) std::this_thread::sleep_for(milliseconds(random_.Below(30)));
    random_.Below(2) == 0 ? client_.Reset() : client_.Close();
    client_ = Connect();
  }

  Cluster& cluster_;
  Random random_;
  Client client_;
};

// RINGMASTER_MIX: "<seed> <seconds>" for more than a test run.
TEST(MixTest, OfWaitsKillsFlushesAndReloadsHangsNothing) {
  uint64_t seed = 14;
  int64_t length = 8;
  if (const char* wanted = std::getenv("RINGMASTER_MIX")) {
    std::istringstream(wanted) >> seed >> length;
  }
  Cluster cluster({.shards = 3, .more = "schedule: {background: [keys, dbsize]}"});
  RedisServer fourth;
  ProxyProcess& proxy = cluster.proxy();
  constexpr int kClients = 12;
  std::vector<std::unique_ptr<Mix>> mixes;
  std::vector<std::function<void()>> rounds;
  for (uint64_t i = 0; i < kClients; ++i) {
    mixes.push_back(std::make_unique<Mix>(cluster, seed * 1000 + i));
    rounds.emplace_back([&mix = *mixes.back()] { mix.Step(); });
  }
  const ConfigText three = proxy.config();
  ConfigText four = three;
  four.pool().Shard("s3", fourth.address());
  ConfigText two = three;
  two.pool().shards.pop_back();
  std::thread load([&] { RunFor(seconds(length), rounds); });
  Random random(seed);
  int reloads = 0;
  for (const TimePoint end = MonotonicNow() + seconds(length); MonotonicNow() < end; ++reloads) {
    const ConfigText* next[] = {&three, &four, &two};
    EXPECT_NE(proxy.Reload(*next[random.Below(3)]), "") << "no word of a reload";
    std::this_thread::sleep_for(milliseconds(random.Below(200)));
  }
  load.join();
  mixes.clear();
  EXPECT_GT(reloads, 5);
  ASSERT_TRUE(proxy.running());
  Client client = cluster.Connect();
  client.set_patience(seconds(30));
  EXPECT_EQ(client.Command({"PING"}), "PONG");
  EXPECT_TRUE(Eventually(
      [&] {
        const std::string info = client.Command({"INFO", "clients"});
        return info.find("connected_clients:1\\x0d") != std::string::npos &&
               info.find("blocked_clients:0\\x0d") != std::string::npos;
      },
      seconds(30)))
      << client.Command({"CLIENT", "LIST"});
  client.Close();
  EXPECT_EQ(proxy.Terminate(seconds(30)), 0);
}

}  // namespace
}  // namespace ringmaster::integration
