// The promise: CLIENT shows and ends the proxy's clients as Redis shows and ends its own, on
// whichever worker they live.
#include <gtest/gtest.h>

#include <algorithm>
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

std::string IdOf(Client& client) {
  return client.Command({"CLIENT", "ID"}).substr(std::string("(integer) ").size());
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

  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 3}};
  Client client_ = cluster_.Connect();
};

// Each version shows more.
class ClientFieldsTest : public testing::TestWithParam<const char*> {};

TEST_P(ClientFieldsTest, ListHasTheFieldsOfTheShardsVersionInItsOrder) {
  const bool fetched = std::string(GetParam()) != "redis-server";
  if (fetched) {
    RM_SKIP_WITHOUT_SERVER(GetParam());
  }
  const std::string program = fetched ? RedisServer::Fetched(GetParam()) : GetParam();
  ClusterOptions options{.shards = 2, .workers = 2};
  options.server.program = program;
  Cluster cluster(options);
  Client client = cluster.Connect();
  Client reference = cluster.server(0).Connect();
  for (Client* each : {&client, &reference}) {
    each->Command({"CLIENT", "SETINFO", "lib-name", "lib"});
    each->Command({"CLIENT", "SETINFO", "lib-ver", "1.2"});
    each->Command({"CLIENT", "CAPA", "redirect"});
    EXPECT_EQ(each->Command({"WATCH", "a", "b", "a"}), "OK");
    EXPECT_EQ(each->Command({"WATCH", "c"}), "OK");
  }
  const std::string line = client.Command({"CLIENT", "INFO"});
  const std::string theirs = reference.Command({"CLIENT", "INFO"});
  EXPECT_EQ(FieldNames(line), FieldNames(theirs));
  for (const char* name : {"flags", "capa", "watch", "lib-name", "lib-ver"}) {
    EXPECT_EQ(Field(line, name), Field(theirs, name)) << name;
  }
  EXPECT_EQ(FieldNames(client.Command({"CLIENT", "LIST"})),
            FieldNames(reference.Command({"CLIENT", "LIST", "ID", IdOf(reference)})));
  EXPECT_EQ(client.Command({"UNWATCH"}), "OK");
  if (!Field(line, "watch").empty()) {
    EXPECT_EQ(Field(client.Command({"CLIENT", "INFO"}), "watch"), "0");
  }
  if (!Field(line, "tot-net-in").empty()) {
    const std::string later = client.Command({"CLIENT", "INFO"});
    for (const char* name : {"tot-net-in", "tot-net-out", "tot-cmds"}) {
      EXPECT_GT(std::stoll(Field(later, name)), std::stoll(Field(line, name))) << name;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Servers, ClientFieldsTest,
                         testing::Values("redis-server", "redis-server-8.0", "valkey-server-8.1"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

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

TEST_F(ClientCommandsTest, ResetIsAnsweredAlsoWhereRepliesAreOff) {
  Client client = cluster_.Connect();
  for (const char* how : {"OFF", "SKIP"}) {
    client.Send(Encode({"CLIENT", "REPLY", how}) + Encode({"RESET"}) + Encode({"PING"}));
    EXPECT_EQ(client.Read(), "RESET") << how;
    EXPECT_EQ(client.Read(), "PONG") << how;
  }
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

// Those of Redis 8, Valkey 8.1 and 9, whatever the shards are.
TEST_F(ClientCommandsTest, FiltersChooseByEachPropertyAndByItsOpposite) {
  std::vector<Client> clients = Named(4);
  EXPECT_EQ(clients[1].Command({"SELECT", "3"}), "OK");
  EXPECT_EQ(clients[2].Command({"CLIENT", "SETINFO", "lib-name", "lib"}), "OK");
  EXPECT_EQ(clients[2].Command({"CLIENT", "SETINFO", "lib-ver", "1.2"}), "OK");
  EXPECT_EQ(clients[3].Command({"CLIENT", "CAPA", "redirect"}), "OK");
  EXPECT_EQ(clients[3].Command({"CLIENT", "NO-EVICT", "on"}), "OK");
  const auto chosen = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"CLIENT", "LIST"});
    const std::string list = client_.CommandRaw(options);
    std::string names;
    for (int i = 0; i < 4; ++i) {
      const std::string name = "c" + std::to_string(i);
      if (list.find("name=" + name + " ") != std::string::npos) names += name;
    }
    return names;
  };
  EXPECT_EQ(chosen({"NAME", "c2"}), "c2");
  EXPECT_EQ(chosen({"NOT-NAME", "c2"}), "c0c1c3");
  EXPECT_EQ(chosen({"DB", "3"}), "c1");
  EXPECT_EQ(chosen({"NOT-DB", "3"}), "c0c2c3");
  EXPECT_EQ(chosen({"LIB-NAME", "lib", "LIB-VER", "1.2"}), "c2");
  EXPECT_EQ(chosen({"NOT-LIB-NAME", "lib"}), "c0c1c3");
  EXPECT_EQ(chosen({"NOT-LIB-VER", "1.2"}), "c0c1c3");
  EXPECT_EQ(chosen({"CAPA", "r"}), "c3");
  EXPECT_EQ(chosen({"NOT-CAPA", "r"}), "c0c1c2");
  EXPECT_EQ(chosen({"FLAGS", "e"}), "c3");
  EXPECT_EQ(chosen({"NOT-FLAGS", "e"}), "c0c1c2");
  EXPECT_EQ(chosen({"IP", "127.0.0.1"}), "c0c1c2c3");
  EXPECT_EQ(chosen({"NOT-IP", "127.0.0.1"}), "");
  EXPECT_EQ(chosen({"USER", "default", "TYPE", "normal", "MAXAGE", "1000000"}), "");
  EXPECT_EQ(chosen({"NOT-TYPE", "pubsub", "NOT-USER", "default"}), "");
  EXPECT_EQ(chosen({"IDLE", "1000000"}), "");
  const std::string two = IdOf(clients[0]), three = IdOf(clients[3]);
  EXPECT_EQ(chosen({"ID", two, three, "NOT-DB", "3"}), "c0c3");
  EXPECT_EQ(chosen({"NOT-ID", two, three}), "c1c2");
  EXPECT_EQ(chosen({"NOT-ADDR", Field(clients[0].Command({"CLIENT", "INFO"}), "addr")}), "c1c2c3");
  EXPECT_EQ(chosen({"NOT-LADDR", cluster_.proxy().address().ToString()}), "");
  EXPECT_EQ(client_.CommandRaw({"CLIENT", "LIST", "SKIPME", "yes"}).find("cmd=client|list"),
            std::string::npos);
  EXPECT_EQ(client_.Command({"CLIENT", "LIST", "NOT-MAXAGE", "1"}), "(error) ERR syntax error");
  EXPECT_EQ(client_.Command({"CLIENT", "LIST", "FLAGS", "?"}),
            "(error) ERR Unknown flags found in the provided filter: ?");
  EXPECT_EQ(client_.Command({"CLIENT", "LIST", "IDLE", "0"}),
            "(error) ERR idle should be greater than 0");
  EXPECT_EQ(client_.Command({"CLIENT", "KILL", "NOT-NAME", "c1", "ID", two, three}), "(integer) 2");
  EXPECT_TRUE(clients[0].PeerCloses());
  EXPECT_TRUE(clients[3].PeerCloses());
  EXPECT_EQ(clients[1].Command({"PING"}), "PONG");
  EXPECT_EQ(clients[1].Command({"CLIENT", "IMPORT-SOURCE", "off"}), "OK");
  EXPECT_EQ(clients[1].Command({"CLIENT", "IMPORT-SOURCE", "on"}),
            "(error) ERR Server is not in import mode");
}

TEST_F(ClientCommandsTest, ErrorsOfNewerOptionsAreThoseOfServersThatHaveThem) {
  for (const char* name : {"redis-server-8.0", "valkey-server-8.1"}) {
    RM_SKIP_WITHOUT_SERVER(name);
    ClusterOptions options{.shards = 1, .workers = 1};
    options.server.program = RedisServer::Fetched(name);
    Cluster cluster(options);
    Client client = cluster.Connect();
    Client reference = cluster.server(0).Connect();
    for (const std::vector<std::string>& words :
         std::vector<std::vector<std::string>>{{"CLIENT", "KILL", "MAXAGE", "x"},
                                               {"CLIENT", "KILL", "MAXAGE", "-1"},
                                               {"CLIENT", "KILL", "ID", "x"},
                                               {"CLIENT", "KILL", "ID", "0"},
                                               {"CLIENT", "KILL", "ID", "10", "x"},
                                               {"CLIENT", "LIST", "ID", "x"},
                                               {"CLIENT", "LIST", "ID", "10", "x"},
                                               {"CLIENT", "LIST", "TYPE", "x"}}) {
      EXPECT_EQ(client.Command(words), reference.Command(words)) << name << " " << words[3];
    }
  }
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
