// The promise: a primary that dies in the middle of writes over several shards, or of keys on the
// move, leaves each write whole or undone, and no key lost or stale; clients keep their
// connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <iostream>
#include <mutex>
#include <set>
#include <thread>

#include "support/groups.h"
#include "support/rebalance_status.h"

namespace ringmaster::integration {
namespace {

using testing::HasSubstr;

constexpr Duration kPace = std::chrono::milliseconds(2);  // between the commands of one client

bool NotApplied(const std::string& reply) {
  // A promoted primary refuses by itself until its other replica has found it.
  return reply.starts_with("(error) NOTAPPLIED") || reply.starts_with("(error) NOREPLICAS") ||
         reply.find("NOREPLICAS") != std::string::npos;
}
bool Uncertain(const std::string& reply) { return reply.starts_with("(error) UNCERTAIN"); }

// Threads that each run a client of their own until Stop(); what they did not expect is kept.
class Load {
 public:
  using Turn = std::function<void(Client& client, int number, int turn, Load& load)>;

  void Add(const ProxyProcess& proxy, int clients, const Turn& turn) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, i, turn, client = proxy.Connect()]() mutable {
        client.set_patience(kPatience * 3);
        for (int at = 1; !stop_ && client.connected(); ++at) {
          turn(client, i, at, *this);
          std::this_thread::sleep_for(kPace);
        }
        if (!client.connected()) Unexpected("a client was disconnected");
      });
    }
  }
  ~Load() { Stop(); }
  void Stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  void Applied() { ++applied_; }
  void Failed() { ++failed_; }
  void Unsure() { ++unsure_; }
  void Unexpected(const std::string& what) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (unexpected_.size() < 20) unexpected_.push_back(what);
  }
  uint64_t applied() const { return applied_; }
  std::vector<std::string> unexpected() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return unexpected_;
  }
  std::string Summary() const {
    return std::to_string(applied_) + " applied, " + std::to_string(failed_) + " not applied, " +
           std::to_string(unsure_) + " uncertain";
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> applied_{0}, failed_{0}, unsure_{0};
  std::mutex mutex_;
  std::vector<std::string> unexpected_;
  std::vector<std::thread> threads_;
};

// Which values something may have, by what its only writer was answered.
class Possible {
 public:
  void Heard(const std::string& reply, const std::string& ok, const std::string& value,
             Load& load) {
    if (reply == ok) {
      values_ = {value};
      load.Applied();
    } else if (Uncertain(reply)) {
      values_.insert(value);
      load.Unsure();
    } else if (NotApplied(reply)) {
      load.Failed();
    } else {
      load.Unexpected(value + ": " + reply);
    }
  }
  const std::set<std::string>& values() const { return values_; }

 private:
  std::set<std::string> values_ = {"(nil)"};
};

std::string Quoted(const std::string& value) { return "\"" + value + "\""; }

enum class End : uint8_t { kKill, kFreeze };

class FailoverWritesTest : public testing::Test {
 protected:
  // Ends the primary of a group, and returns when the proxy is at the promoted one. One that was
  // only frozen goes on then.
  void EndPrimary(Groups& groups, size_t group, End end) {
    const std::string before = groups.ShardAddress(group);
    RedisServer* primary = groups.Primary(group);
    ASSERT_NE(primary, nullptr);
    ASSERT_EQ(primary->address().ToString(), before);
    end == End::kKill ? primary->Kill() : primary->Pause();
    ASSERT_TRUE(groups.Follows(group, before)) << groups.sentinels().Log(0);
    if (end == End::kFreeze) primary->Resume();
  }
  // Writes are done, again and again.
  void GoesOn(Load& load, uint64_t more = 300) {
    const uint64_t before = load.applied();
    ASSERT_TRUE(Eventually([&] { return load.applied() > before + more; }, kPatience * 3))
        << load.Summary();
  }
  static void NoSagaIsOpen(Groups& groups) {
    EXPECT_TRUE(Eventually([&] {
      return groups.Connect().CommandRaw({"PROXY", "SAGAS", "LIST"}) == "$0\r\n\r\n";
    })) << groups.Connect().CommandRaw({"PROXY", "SAGAS", "LIST"});
  }
};

class SagasOverFailoverTest : public FailoverWritesTest, public testing::WithParamInterface<End> {};

TEST_P(SagasOverFailoverTest, WritesOverShardsAreWholeOrUndone) {
  Groups groups({.groups = 3, .server = {"min-replicas-to-write 1"}});
  Load load;
  constexpr int kWriters = 4;
  constexpr int kKeys = 6;
  constexpr int kAccounts = 12;
  constexpr int kElements = 10;
  std::vector<Possible> sets(kWriters);
  const auto key = [](int writer, int i) {
    return "set:" + std::to_string(writer) + ":" + std::to_string(i);
  };
  load.Add(groups.proxy(), kWriters, [&](Client& client, int number, int turn, Load& said) {
    const std::string value = std::to_string(number) + "-" + std::to_string(turn);
    std::vector<std::string> words = {"MSET"};
    for (int i = 0; i < kKeys; ++i) words.insert(words.end(), {key(number, i), value});
    sets[static_cast<size_t>(number)].Heard(client.Command(words), "OK", value, said);
  });
  // Money that is moved stays the same.
  load.Add(groups.proxy(), 4, [&](Client& client, int number, int turn, Load& said) {
    const auto account = [](int i) { return "account:" + std::to_string(i % kAccounts); };
    const int from = number * 3 + turn;
    const std::vector<std::string> replies =
        client.Pipeline({{"MULTI"},
                         {"DECRBY", account(from), "7"},
                         {"INCRBY", account(from + 1 + turn % 5), "7"},
                         {"EXEC"}});
    const std::string& last = replies.back();
    if (last.starts_with("[") || last.starts_with("1)") || last.find("(integer)") == 0) {
      said.Applied();
    } else if (Uncertain(last)) {
      said.Unsure();
    } else if (NotApplied(last) || last.find("EXECABORT") != std::string::npos) {
      said.Failed();
    } else {
      said.Unexpected("EXEC: " + last);
    }
  });
  // Elements go round between two lists.
  for (int list = 0; list < 4; ++list) {
    Client client = groups.Connect();
    for (int i = 0; i < kElements; ++i) {
      client.Command({"RPUSH", "list:" + std::to_string(list) + ":a", std::to_string(i)});
    }
  }
  load.Add(groups.proxy(), 4, [](Client& client, int number, int turn, Load& said) {
    const std::string name = "list:" + std::to_string(number) + ":";
    const bool there = turn / kElements % 2 == 0;
    const std::string reply = client.Command(
        {"LMOVE", name + (there ? "a" : "b"), name + (there ? "b" : "a"), "LEFT", "RIGHT"});
    if (reply.starts_with("\"") || reply == "(nil)") {
      said.Applied();
    } else if (Uncertain(reply)) {
      said.Unsure();
    } else if (NotApplied(reply)) {
      said.Failed();
    } else {
      said.Unexpected("LMOVE: " + reply);
    }
  });
  GoesOn(load);
  for (size_t group = 0; group < 3; ++group) {
    EndPrimary(groups, group, GetParam());
    GoesOn(load);
  }
  load.Stop();
  std::cout << load.Summary() << "\n";
  EXPECT_THAT(load.unexpected(), testing::IsEmpty());
  NoSagaIsOpen(groups);
  Client client = groups.Connect();
  for (int writer = 0; writer < kWriters; ++writer) {
    std::set<std::string> found;
    for (int i = 0; i < kKeys; ++i) found.insert(client.Command({"GET", key(writer, i)}));
    ASSERT_EQ(found.size(), 1U) << "in part: " << testing::PrintToString(found);
    std::set<std::string> possible;
    for (const std::string& value : sets[static_cast<size_t>(writer)].values()) {
      possible.insert(value == "(nil)" ? value : Quoted(value));
    }
    EXPECT_TRUE(possible.contains(*found.begin()))
        << *found.begin() << " is none of " << testing::PrintToString(possible);
  }
  int64_t sum = 0;
  for (int i = 0; i < kAccounts; ++i) {
    const std::string balance = client.Command({"GET", "account:" + std::to_string(i)});
    if (balance != "(nil)") sum += std::stoll(balance.substr(1));
  }
  EXPECT_EQ(sum, 0);
  for (int list = 0; list < 4; ++list) {
    std::multiset<std::string> elements;
    for (const char* end : {"a", "b"}) {
      const std::string name = "list:" + std::to_string(list) + ":" + end;
      for (int i = 0;; ++i) {
        const std::string element = client.Command({"LINDEX", name, std::to_string(i)});
        if (element == "(nil)") break;
        elements.insert(element);
      }
    }
    EXPECT_EQ(elements.size(), static_cast<size_t>(kElements));
    EXPECT_EQ(std::set<std::string>(elements.begin(), elements.end()).size(),
              static_cast<size_t>(kElements));
  }
}

INSTANTIATE_TEST_SUITE_P(KilledOrFrozen, SagasOverFailoverTest,
                         testing::Values(End::kKill, End::kFreeze));

// The markers of what is committed lie on the primary that dies, and its replica has none of it.
TEST_F(FailoverWritesTest, AWriteThatAPrimaryTookAlongInPartIsReported) {
  Groups groups({.groups = 2, .replicas = 1});
  RedisServer* primary = groups.Primary(0);
  RedisServer* replica = groups.Replicas(0).at(0);
  Client client = groups.Connect();
  std::vector<std::string> words = {"MSET"};
  for (int i = 0; i < 8; ++i) words.insert(words.end(), {"key:" + std::to_string(i), "v"});
  ASSERT_EQ(client.Command(words), "OK");
  replica->Pause();
  // What it is sent now reaches nobody, and what committed writes leave there stays.
  ASSERT_EQ(primary->Command({"CLIENT", "KILL", "TYPE", "replica"}), "(integer) 1");
  ASSERT_EQ(primary->Command({"ACL", "SETUSER", "default", "-unlink"}), "OK");
  for (size_t i = 2; i < words.size(); i += 2) words[i] = "w";
  ASSERT_EQ(client.Command(words), "OK");
  const std::string before = groups.ShardAddress(0);
  primary->Kill();
  replica->Resume();
  ASSERT_TRUE(groups.Follows(0, before)) << groups.sentinels().Log(0);
  EXPECT_TRUE(groups.proxy().LogSays("shard s0 lost its step"));
  EXPECT_TRUE(Eventually([&] {
    return client.CommandRaw({"PROXY", "SAGAS", "RECENT"}).find("mset key:0") != std::string::npos;
  })) << client.CommandRaw({"PROXY", "SAGAS", "RECENT"});
  NoSagaIsOpen(groups);
}

// Which primary ends in the middle of the move, of an old owner or of the new one, and how.
class FailoverMovesTest : public FailoverWritesTest,
                          public testing::WithParamInterface<std::pair<size_t, End>> {};

TEST_P(FailoverMovesTest, TheMoveGoesOnAndNoKeyIsLostOrStale) {
  constexpr int kKeys = 6000;
  constexpr int kWriters = 6;
  constexpr int kOwn = 40;  // keys that a writer writes all the time
  Groups groups({.groups = 3,
                 .shards = 2,
                 .server = {"min-replicas-to-write 1"},
                 .more = "rebalance: {durable_move: replica, max_keys_per_second: 400}"});
  Client client = groups.Connect();
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < kKeys; ++i) commands.push_back({"SET", "key:" + std::to_string(i), "v"});
  client.Pipeline(commands);
  std::vector<Possible> own(static_cast<size_t>(kWriters) * kOwn);
  Load load;
  load.Add(groups.proxy(), kWriters, [&](Client& writer, int number, int turn, Load& said) {
    const int which = number * kOwn + turn % kOwn;
    const std::string name = "own:" + std::to_string(which);
    const std::string value = std::to_string(turn);
    // Every third time it is deleted, so that an old copy that came back would show.
    Possible& possible = own[static_cast<size_t>(which)];
    if (turn / kOwn % 3 == 2) {
      const std::string reply = writer.Command({"DEL", name});
      possible.Heard(reply == "(integer) 0" ? "(integer) 1" : reply, "(integer) 1", "(nil)", said);
    } else {
      possible.Heard(writer.Command({"SET", name, value}), "OK", value, said);
    }
  });
  GoesOn(load);
  groups.proxy().Reload(groups.Config(3));
  ASSERT_TRUE(Eventually([&] {
    return StatusField(groups.proxy(), "state") == "moving" && KeysOn(*groups.Primary(2)) > 300;
  })) << StatusField(groups.proxy(), "");
  EndPrimary(groups, GetParam().first, GetParam().second);
  GoesOn(load);
  ASSERT_EQ(StatusField(groups.proxy(), "state"), "moving") << "it was over before";
  ConfigText fast = groups.Config(3);
  fast.more = "rebalance: {durable_move: replica}";
  groups.proxy().Reload(fast);
  ASSERT_TRUE(Settled(groups.proxy(), "2")) << StatusField(groups.proxy(), "");
  load.Stop();
  std::cout << load.Summary() << "\n";
  EXPECT_THAT(load.unexpected(), testing::IsEmpty());
  int lost = 0;
  for (int i = 0; i < kKeys; ++i) {
    lost += client.Command({"GET", "key:" + std::to_string(i)}) == "\"v\"" ? 0 : 1;
  }
  EXPECT_EQ(lost, 0) << "of " << kKeys;
  int64_t there = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    const std::string found = client.Command({"GET", "own:" + std::to_string(i)});
    there += found == "(nil)" ? 0 : 1;
    std::set<std::string> possible;
    for (const std::string& value : own[i].values()) {
      possible.insert(value == "(nil)" ? value : Quoted(value));
    }
    EXPECT_TRUE(possible.contains(found))
        << i << ": " << found << " is none of " << testing::PrintToString(possible);
  }
  EXPECT_EQ(client.Command({"DBSIZE"}), "(integer) " + std::to_string(kKeys + there)) << "twice";
}

INSTANTIATE_TEST_SUITE_P(OldOwnerOrNewOne, FailoverMovesTest,
                         testing::Values(std::pair(0, End::kKill), std::pair(2, End::kKill),
                                         std::pair(0, End::kFreeze), std::pair(2, End::kFreeze)));

}  // namespace
}  // namespace ringmaster::integration
