// The promise: a client that leaves in the middle of anything harms nobody, and nothing of it stays
// (FIELD.md B1).
#include <gtest/gtest.h>

#include <filesystem>

#include "base/random.h"
#include "support/checked_load.h"
#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

int64_t OpenDescriptors(pid_t pid) {
  int64_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    count += entry.exists() ? 1 : 0;
  }
  return count;
}

// 50 keys, read or written: fragments of it go to every shard.
std::string ManyKeys(Random& random) {
  const bool write = random.Below(2) == 0;
  std::vector<std::string> words = {write ? "MSET" : "MGET"};
  for (int i = 0; i < 50; ++i) {
    words.push_back("gone:" + std::to_string(random.Below(500)));
    if (write) words.push_back(std::string(random.Below(300), 'v'));
  }
  return Encode(words);
}

class ClientGoneTest : public testing::Test {
 protected:
  // No client is left but those who ask.
  bool OnlyWeAreLeft() {
    return Eventually([this] {
      Client client = cluster_.Connect();
      const std::string info = client.Command({"INFO", "clients"});
      return info.find("connected_clients:1\\x0d") != std::string::npos;
    });
  }

  Cluster cluster_{ClusterOptions{.timeouts = "command: 1s, connect: 500ms"}};
};

TEST_F(ClientGoneTest, ResetsAtAnyByteWhileAShardIsFrozenAndKilled) {
  ASSERT_TRUE(OnlyWeAreLeft());
  const int64_t descriptors = OpenDescriptors(cluster_.proxy().pid());
  Random random(11);
  std::vector<Client> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(cluster_.Connect());
  int step = 0;
  for (const TimePoint end = MonotonicNow() + std::chrono::seconds(4); MonotonicNow() < end;) {
    ++step;
    if (step % 2000 == 300) cluster_.server(1).Pause();
    if (step % 2000 == 1000) cluster_.server(1).Resume();
    if (step == 3000) cluster_.server(2).Kill();
    if (step == 4500) cluster_.server(2).Restart();
    Client& client = clients[random.Below(clients.size())];
    std::string requests;
    for (uint64_t n = 1 + random.Below(4); n > 0; --n) requests += ManyKeys(random);
    client.SendUnread(Bytes(requests).substr(0, 1 + random.Below(requests.size())),
                      std::chrono::milliseconds(1));
    switch (random.Below(4)) {
      case 0:
        client.Close();
        break;
      case 1:
        client.HalfClose();
        break;
      case 2:
        continue;  // goes on later, in the middle of its request: nonsense to the proxy
      default:
        client.Reset();
    }
    client = cluster_.Connect();
  }
  cluster_.server(1).Resume();
  if (!cluster_.server(2).serving()) cluster_.server(2).Restart();
  for (Client& client : clients) client.Reset();
  clients.clear();
  ASSERT_TRUE(cluster_.proxy().running());
  EXPECT_TRUE(OnlyWeAreLeft()) << cluster_.Connect().Command({"CLIENT", "LIST"});
  // Each worker may hold a shared and a lent connection or two to each shard.
  EXPECT_TRUE(Eventually([&] {
    return OpenDescriptors(cluster_.proxy().pid()) <= descriptors + 2 * 4 * 3;
  })) << OpenDescriptors(cluster_.proxy().pid())
      << " descriptors, at first " << descriptors;
  CheckedLoad load(cluster_.proxy().address(), {.clients = 2});
  EXPECT_TRUE(Eventually([&] { return load.replies() > 2000; }));
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
}

TEST_F(ClientGoneTest, LeavesInTheMiddleOfALargeValue) {
  const std::string value(8 << 20, 'v');
  const std::string set = Encode({"SET", "large", value});
  Client steady = cluster_.Connect();
  ASSERT_EQ(steady.Command({"SET", "large", value}), "OK");
  Random random(2);
  for (int i = 0; i < 20; ++i) {
    Client uploads = cluster_.Connect();
    uploads.SendUnread(Bytes(set).substr(0, random.Below(set.size())),
                       std::chrono::milliseconds(50));
    Client downloads = cluster_.Connect();
    downloads.Send(Encode({"GET", "large"}) + Encode({"GET", "large"}));
    EXPECT_FALSE(downloads.Silent(std::chrono::seconds(2)));
    (i % 2 == 0) ? uploads.Reset() : uploads.Close();
    (i % 2 == 0) ? downloads.Close() : downloads.Reset();
    ASSERT_EQ(steady.Command({"STRLEN", "large"}), "(integer) " + std::to_string(value.size()));
  }
  EXPECT_TRUE(OnlyWeAreLeft() || steady.connected());
}

// As with Redis: what was asked before the client said that it has no more to say is answered.
TEST_F(ClientGoneTest, HalfClosedClientStillGetsItsReplies) {
  const RedisServer redis;
  for (const Address& address : {redis.address(), cluster_.proxy().address()}) {
    Client client(address);
    client.Send(EncodeAll({{"SET", "a", "1"}, {"GET", "a"}, {"MGET", "a", "b"}}));
    client.HalfClose();
    EXPECT_EQ(client.ReadToEnd(), "+OK\r\n$1\r\n1\r\n*2\r\n$1\r\n1\r\n$-1\r\n<closed>")
        << "from " << address.ToString();
  }
}

TEST_F(ClientGoneTest, QuitAnswersWhatCameBeforeAndIgnoresWhatComesBehind) {
  Client client = cluster_.Connect();
  client.Send(EncodeAll({{"SET", "a", "1"}, {"GET", "a"}, {"QUIT"}, {"SET", "a", "2"}}));
  EXPECT_EQ(client.ReadToEnd(), "+OK\r\n$1\r\n1\r\n+OK\r\n<closed>");
  EXPECT_EQ(cluster_.Connect().Command({"GET", "a"}), "\"1\"");
}

// The system does not tell any more whom a connection was with that was reset.
TEST(ClientGoneLogTest, WhoWasClosedIsNamedByItsAddress) {
  Cluster cluster(ClusterOptions{.shards = 1});
  Client client = cluster.Connect();
  const std::string info = client.Command({"CLIENT", "INFO"});
  const size_t at = info.find(" addr=");
  ASSERT_NE(at, std::string::npos) << info;
  const std::string address = info.substr(at + 6, info.find(' ', at + 1) - at - 6);
  client.Send("*2\r\n$3\r\nGET\r\n");  // half of a request, so that the proxy reads
  client.Reset();
  EXPECT_TRUE(cluster.proxy().LogSays("at " + address + ": ")) << address;
}

}  // namespace
}  // namespace ringmaster::integration
