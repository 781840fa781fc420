// The promise: a client cannot use up what others need, before it logs in or after: memory is
// counted wherever it is held, logs keep little of what was sent, and some descriptors are left to
// shards and admin pages.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "support/cluster.h"
#include "support/http.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

TEST(BeforeLoginTest, LargeRequestsAreRefusedInRedissWords) {
  RedisServer redis({.config = {"requirepass secret"}, .password = "secret"});
  Cluster cluster;
  ASSERT_EQ(cluster.Connect().Command({"CONFIG", "SET", "requirepass", "secret"}), "OK");
  const std::string ten = "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n";
  const std::string name(16384, 'n');
  const std::vector<std::string> requests = {
      "*11\r\n",
      "*011\r\n",
      "*1000000\r\n",
      "*2147483647\r\n",
      "*2147483648\r\n",
      "*99999999999999999999\r\n",
      "*2\r\n$4\r\nAUTH\r\n$16385\r\n",
      "*2\r\n$4\r\nAUTH\r\n$536870912\r\n",
      "*2\r\n$4\r\nAUTH\r\n$536870913\r\n",
      "*2\r\n$4\r\nAUTH\r\n$-1\r\n",
      "*1\r\n$16385\r\n",
      "*10\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n$1\r\nw\r\n" + ten + "*11\r\n",
      "*3\r\n$4\r\nAUTH\r\n$16384\r\n" + name + "\r\n$1\r\nx\r\n*11\r\n",
      "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*11\r\n$4\r\nMGET\r\n$1\r\nx\r\n$1\r\ny\r\n$1\r\nz\r\n$1"
      "\r\nw\r\n" +
          ten + "*1\r\n$5\r\nRESET\r\n*11\r\n",
  };
  for (const std::string& request : requests) {
    Client one = redis.Connect();
    Client ours = cluster.Connect();
    one.Send(request);
    ours.Send(request);
    EXPECT_EQ(ours.ReadToEnd(), one.ReadToEnd()) << request.substr(0, 60);
  }
}

TEST(BoundedLogTest, AclLogKeepsLittleOfANameThatIsLong) {
  Cluster cluster;
  Client client = cluster.Connect();
  for (int i = 0; i < 20; ++i) {
    const std::string name = std::to_string(i) + std::string(1 << 20, 'x');
    EXPECT_EQ(client.Command({"AUTH", name, "wrong"}).substr(0, 17), "(error) WRONGPASS");
  }
  EXPECT_EQ(client.Command({"CLIENT", "SETNAME", std::string(1 << 20, 'y')}), "OK");
  client.Command({"AUTH", "nobody", "wrong"});
  EXPECT_LT(client.CommandRaw({"ACL", "LOG", "100"}).size(), 100'000U);
}

std::string Refused() { return "(error) NOTAPPLIED the proxy is at its memory limit"; }

class MemoryOfClientsTest : public testing::Test {
 protected:
  // Until something is refused, at most `most` times.
  static bool RefusedWithin(int most, const std::function<std::string()>& next) {
    for (int i = 0; i < most; ++i) {
      if (next().starts_with(Refused())) return true;
    }
    return false;
  }
  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 1, .limits = "memory: 8mb"}};
};

TEST_F(MemoryOfClientsTest, QueuesOfTransactionsCount) {
  Client client = cluster_.Connect();
  const std::string value(100'000, 'v');
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(client.Command({"MULTI"}), "OK");
    EXPECT_TRUE(RefusedWithin(200, [&] { return client.Command({"SET", "k", value}); }));
    EXPECT_EQ(client.Command({"EXEC"}).substr(0, 17), "(error) EXECABORT");
    // It is free again.
    EXPECT_EQ(client.Command({"SET", "k", value}), "OK");
  }
}

TEST_F(MemoryOfClientsTest, NamesAndSubscriptionsCount) {
  std::vector<Client> clients;
  EXPECT_TRUE(RefusedWithin(30, [&] {
    clients.push_back(cluster_.Connect());
    return clients.back().Command({"CLIENT", "SETNAME", std::string(500'000, 'n')});
  }));
  clients.clear();
  Client listener = cluster_.Connect();
  EXPECT_TRUE(Eventually([&] { return listener.Command({"GET", "k"}) == "(nil)"; }));
  int i = 0;
  EXPECT_TRUE(RefusedWithin(200, [&] {
    return listener.Command({"SUBSCRIBE", std::to_string(++i) + std::string(100'000, 'c')});
  }));
}

TEST_F(MemoryOfClientsTest, StreamedValuesAreRefusedAndKeptNowhere) {
  Client holder = cluster_.Connect();
  ASSERT_EQ(holder.Command({"MULTI"}), "OK");
  const std::string part(100'000, 'v');
  ASSERT_TRUE(RefusedWithin(200, [&] { return holder.Command({"SET", "k", part}); }));
  // What the last one took until it was refused is free again: little ones fill that up.
  Client filler = cluster_.Connect();
  ASSERT_EQ(filler.Command({"MULTI"}), "OK");
  const std::string little(1000, 'v');
  ASSERT_TRUE(RefusedWithin(1000, [&] { return filler.Command({"SET", "k", little}); }));
  Client client = cluster_.Connect();
  const std::string value(20'000'000, 'v');
  EXPECT_EQ(client.Command({"SET", "k", value}).substr(0, Refused().size()), Refused());
  EXPECT_EQ(holder.Command({"DISCARD"}), "OK");
  EXPECT_EQ(client.Command({"SET", "k", value}), "OK");
  EXPECT_EQ(client.Command({"STRLEN", "k"}), "(integer) 20000000");
}

TEST(MonitorTest, SeesValuesThatAreStreamed) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  Client monitor = cluster.Connect();
  ASSERT_EQ(monitor.Command({"MONITOR"}), "OK");
  Client client = cluster.Connect();
  const std::string value(300'000, 'v');
  ASSERT_EQ(client.Command({"SET", "k", value, "EX", "100"}), "OK");
  EXPECT_NE(monitor.Read().find("\"SET\" \"k\" \"vvv"), std::string::npos);
  ASSERT_EQ(client.Command({"SET", "large", std::string(3 << 20, 'w')}), "OK");
  EXPECT_TRUE(monitor.Read().ends_with("\"SET\" \"large\" \"(3145728 bytes)\""));
}

TEST(DeniedUploadTest, IsAnsweredWithoutBeingKept) {
  Cluster cluster{ClusterOptions{.shards = 2, .limits = "query_buffer: 1mb"}};
  Client client = cluster.Connect();
  ASSERT_EQ(client.Command({"ACL", "SETUSER", "reader", "on", ">pw", "~app:*", "+@all"}), "OK");
  ASSERT_EQ(client.Command({"AUTH", "reader", "pw"}), "OK");
  EXPECT_EQ(client.Command({"SET", "other", std::string(5'000'000, 'v')}),
            "(error) NOPERM this user has no permissions to access one of the keys used as "
            "arguments");
  EXPECT_EQ(client.Command({"SET", "app:1", std::string(5'000'000, 'v')}), "OK");
}

void LimitDescriptors(pid_t pid, rlim_t count) {
  rlimit limit{};
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, nullptr, &limit), 0);
  limit.rlim_cur = count;
  ASSERT_EQ(prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
}

TEST(DescriptorsTest, SomeAreLeftToShardsAndAdminPages) {
  Cluster cluster{ClusterOptions{.shards = 3}};
  Client first = cluster.Connect();
  ASSERT_EQ(first.Command({"SET", "k", "v"}), "OK");
  LimitDescriptors(cluster.proxy().pid(), 160);
  std::vector<Client> clients;
  size_t refused = 0;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(cluster.Connect());
    // Those that are taken ask for connections of their own.
    clients.back().Send("BLPOP nothing" + std::to_string(i) + " 0\r\n");
  }
  for (Client& client : clients) refused += client.Silent(Duration(0)) ? 0 : 1;
  EXPECT_TRUE(Eventually([&] {
    refused = 0;
    for (Client& client : clients) refused += client.Silent(Duration(0)) ? 0 : 1;
    return refused > 100;
  })) << refused;
  for (size_t i = 0; i < 3; ++i) {
    cluster.server(i).Command({"CLIENT", "KILL", "TYPE", "normal"});
  }
  EXPECT_TRUE(Eventually([&] { return first.Command({"SET", "k", "v"}) == "OK"; }));
  EXPECT_EQ(HttpGet(cluster.proxy().admin_port(), "/healthz").status, 200);
  EXPECT_TRUE(cluster.proxy().LogSays("of 160 descriptors only those are left"));
}

TEST(DescriptorsTest, MoreClientsThanTheProcessMayHaveAreSaid) {
  Cluster cluster;
  LimitDescriptors(cluster.proxy().pid(), 512);
  const std::string log = cluster.proxy().Reload(cluster.proxy().config());
  EXPECT_NE(cluster.proxy().Log().find("limits.clients is 10000, but the process may have 512"),
            std::string::npos)
      << log;
  EXPECT_EQ(cluster.Connect().Command({"CONFIG", "SET", "maxclients", "500"}),
            "(error) ERR CONFIG SET failed (possibly related to argument 'maxclients') - The "
            "operating system is not able to handle the specified number of clients, try with 448");
}

TEST(DescriptorsTest, WithoutAnyTheLoopDoesNotSpin) {
  Cluster cluster;
  const pid_t pid = cluster.proxy().pid();
  LimitDescriptors(pid, 4);
  Client waiting = cluster.Connect();
  waiting.Send("PING\r\n");
  const double before = CpuSeconds(pid);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // what is measured
  EXPECT_LT(CpuSeconds(pid) - before, 0.25);
  LimitDescriptors(pid, 1000);
  EXPECT_EQ(waiting.Read(), "PONG");
}

}  // namespace
}  // namespace ringmaster::integration
