// The promise: CLIENT shows and ends the proxy's clients as Redis shows and ends its own, on
// whichever worker they live.
#include <gtest/gtest.h>

#include <set>

#include "support/cluster.h"
#include "support/resp_text.h"

namespace ringmaster::integration {
namespace {

// The fields of a line of CLIENT LIST, in their order.
std::vector<std::string> FieldNames(const std::string& line) {
  std::vector<std::string> names;
  for (size_t at = 0; at < line.size();) {
    const size_t equals = line.find('=', at);
    if (equals == std::string::npos) break;
    names.push_back(line.substr(at, equals - at));
    at = line.find(' ', equals);
    if (at == std::string::npos) break;
    ++at;
  }
  return names;
}

std::string Field(const std::string& line, const std::string& name) {
  const size_t at = line.find(name + "=");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 1;
  return line.substr(begin, line.find_first_of(" \\\"", begin) - begin);
}

class ClientCommandsTest : public testing::Test {
 protected:
  // Clients with names, spread over the workers.
  std::vector<Client> Named(int count) {
    std::vector<Client> clients;
    for (int i = 0; i < count; ++i) {
      clients.push_back(cluster_.Connect());
      EXPECT_EQ(clients.back().Command({"CLIENT", "SETNAME", "c" + std::to_string(i)}), "OK");
    }
    return clients;
  }
  static std::string IdOf(Client& client) {
    return client.Command({"CLIENT", "ID"}).substr(std::string("(integer) ").size());
  }

  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 3}};
  Client client_ = cluster_.Connect();
};

TEST_F(ClientCommandsTest, ListHasRedissFieldsInRedissOrder) {
  const RedisServer redis;
  Client reference = redis.Connect();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"CLIENT", "INFO"}, {"CLIENT", "LIST"}}) {
    EXPECT_EQ(FieldNames(client_.Command(words)), FieldNames(reference.Command(words)));
  }
  client_.Command({"SELECT", "7"});
  client_.Command({"CLIENT", "SETNAME", "me"});
  const std::string line = client_.Command({"CLIENT", "INFO"});
  EXPECT_EQ(Field(line, "name"), "me");
  EXPECT_EQ(Field(line, "db"), "7");
  EXPECT_EQ(Field(line, "cmd"), "client|info");
  EXPECT_EQ(Field(line, "user"), "default");
  EXPECT_EQ(Field(line, "resp"), "2");
  EXPECT_EQ(Field(line, "laddr"), cluster_.proxy().address().ToString());
}

TEST_F(ClientCommandsTest, ListShowsTheClientsOfAllWorkersWithGrowingIds) {
  std::vector<Client> clients = Named(9);
  std::set<std::string> ids;
  for (Client& client : clients) ids.insert(IdOf(client));
  EXPECT_EQ(ids.size(), 9U);
  const std::string list = client_.CommandRaw({"CLIENT", "LIST"});
  for (int i = 0; i < 9; ++i) {
    EXPECT_NE(list.find("name=c" + std::to_string(i) + " "), std::string::npos) << list;
  }
  const std::string two =
      client_.Command({"CLIENT", "LIST", "ID", IdOf(clients[3]), IdOf(clients[7])});
  EXPECT_NE(two.find("name=c3 "), std::string::npos) << two;
  EXPECT_NE(two.find("name=c7 "), std::string::npos) << two;
  EXPECT_EQ(two.find("name=c4 "), std::string::npos) << two;
}

TEST_F(ClientCommandsTest, KillEndsExactlyThoseMeant) {
  std::vector<Client> clients = Named(6);
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "ID", IdOf(clients[0])}), "(integer) 1");
  EXPECT_TRUE(clients[0].PeerCloses());
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "ID", "123456789"}), "(integer) 0");
  const std::string address = Field(clients[1].Command({"CLIENT", "INFO"}), "addr");
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "ADDR", address}), "(integer) 1");
  EXPECT_TRUE(clients[1].PeerCloses());
  const std::string old_form = Field(clients[2].Command({"CLIENT", "INFO"}), "addr");
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", old_form}), "OK");
  EXPECT_TRUE(clients[2].PeerCloses());
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "1.2.3.4:5"}), "(error) ERR No such client");
  EXPECT_EQ(clients[3].Command({"PING"}), "PONG");
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), "(integer) 3");
  EXPECT_TRUE(clients[5].PeerCloses());
  EXPECT_EQ(client_.Command({"PING"}), "PONG");
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal"}), "(integer) 1");
  EXPECT_TRUE(client_.PeerCloses());
}

TEST_F(ClientCommandsTest, ErrorsAreRediss) {
  const RedisServer redis;
  Client reference = redis.Connect();
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"CLIENT", "KILL"},
                                             {"CLIENT", "KILL", "ID", "x"},
                                             {"CLIENT", "KILL", "ID", "0"},
                                             {"CLIENT", "KILL", "ID", "1", "TYPE"},
                                             {"CLIENT", "KILL", "TYPE", "bogus"},
                                             {"CLIENT", "KILL", "USER", "nobody"},
                                             {"CLIENT", "KILL", "SKIPME", "maybe"},
                                             {"CLIENT", "LIST", "TYPE", "bogus"},
                                             {"CLIENT", "LIST", "ID", "x"},
                                             {"CLIENT", "LIST", "BOGUS"},
                                             {"CLIENT", "REPLY", "bogus"},
                                             {"CLIENT", "NO-EVICT", "maybe"},
                                             {"CLIENT", "SETNAME", "new\nline"},
                                             {"CLIENT", "UNBLOCK", "123456"},
                                             {"CLIENT", "UNBLOCK", "x"}}) {
    EXPECT_EQ(client_.Command(words), reference.Command(words)) << words[1];
  }
}

}  // namespace
}  // namespace ringmaster::integration
