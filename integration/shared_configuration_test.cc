// The promise: each parameter of CONFIG is the proxy's, the shards' or refused, and one table says
// which; no command of a client, however it is sent, cuts the proxy off its shards.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "command/whole/config_names.h"
#include "support/cluster.h"
#include "support/http.h"
#include "support/metrics_text.h"
#include "support/resp_text.h"
#include "support/wait.h"

namespace ringmaster::integration {
namespace {

using Parameters = std::map<std::string, std::string>;

// The bulk strings of a flat array.
Parameters ParametersOf(Client&& client) {
  const std::string raw = client.CommandRaw({"CONFIG", "GET", "*"});
  std::vector<std::string> texts;
  for (size_t at = raw.find('$'); at < raw.size();) {
    const size_t size = std::stoul(raw.substr(at + 1));
    const size_t begin = raw.find('\n', at) + 1;
    texts.push_back(raw.substr(begin, size));
    at = begin + size + 2;
  }
  Parameters parameters;
  for (size_t i = 0; i + 1 < texts.size(); i += 2) parameters[texts[i]] = texts[i + 1];
  return parameters;
}

// Another value that a parameter of this kind may have.
std::string Other(const std::string& value) {
  if (value == "yes" || value == "no") return value == "yes" ? "no" : "yes";
  if (value.empty() || value.find_first_not_of("0123456789") != std::string::npos) return value;
  return std::to_string(std::stoull(value) + 1);
}

TEST(SharedConfigurationTest, EveryNameOfAServerIsInTheTable) {
  RedisServer server;
  const Parameters parameters = ParametersOf(server.Connect());
  EXPECT_GT(parameters.size(), 150U);
  std::set<std::string> known;
  for (const ConfigName& name : ConfigNames()) known.insert(name.name);
  for (const auto& [name, value] : parameters) EXPECT_TRUE(known.contains(name)) << name;
}

TEST(SharedConfigurationTest, NewerServersNamesAreTheirsUnlessTheyAreAboutConnections) {
  EXPECT_EQ(FindConfigName("SET-max-listpack-entries").owner, ConfigOwner::kShards);
  EXPECT_EQ(FindConfigName("hash-max-something-new").owner, ConfigOwner::kShards);
  EXPECT_EQ(FindConfigName("TLS-something-new").owner, ConfigOwner::kLinks);
  EXPECT_EQ(FindConfigName("RequirePass").owner, ConfigOwner::kProxy);
}

// Each is set to what it is, and to something else, and what GET then says is what was taken.
TEST(SharedConfigurationTest, SetAndGetAgreeOnEveryName) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  const Parameters before = ParametersOf(cluster.Connect());
  const Parameters of_shard = ParametersOf(cluster.server(0).Connect());
  EXPECT_EQ(before.size(), of_shard.size());
  Client client = cluster.Connect();
  size_t changed = 0;
  for (const auto& [name, value] : before) {
    // Two shards cannot share one byte.
    const std::string other = name == "maxmemory" ? "104857600" : Other(value);
    const std::string again = client.Command({"CONFIG", "SET", name, value});
    const bool refused = again.starts_with("(error)");
    const bool settable = IsSettable(FindConfigName(name));
    // A server refuses what is immutable or protected itself.
    EXPECT_TRUE(!refused || (settable && again.find(" set ") != std::string::npos) ||
                (settable && of_shard.at(name).empty()))
        << name << ": " << again;
    const std::string said = client.Command({"CONFIG", "SET", name, other});
    const std::string shown = client.Command({"CONFIG", "GET", name});
    const std::string& expected = said == "OK" ? other : value;
    EXPECT_EQ(shown, "[" + Quoted(name) + ", " + Quoted(expected) + "]") << said;
    if (!settable && other != value) {
      EXPECT_EQ(said.substr(0, 31), "(error) ERR CONFIG SET failed (") << name;
    }
    changed += said == "OK" && other != value ? 1 : 0;
    client.Command({"CONFIG", "SET", name, value});
  }
  EXPECT_GT(changed, 60U);
  const Parameters now = ParametersOf(cluster.server(0).Connect());
  for (const auto& [name, value] : of_shard) {
    if (!IsSettable(FindConfigName(name))) {
      EXPECT_EQ(now.at(name), value) << name;
    }
  }
}

class RequirePassTest : public testing::Test {
 protected:
  // Who is gone comes back with what the configuration says.
  void LoseAllShards() {
    for (size_t i = 0; i < cluster_.size(); ++i) {
      cluster_.server(i).Command({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    }
  }
  Cluster cluster_{ClusterOptions{.shards = 2, .workers = 2}};
  Client admin_ = cluster_.Connect();
};

TEST_F(RequirePassTest, IsTheDefaultUsersPasswordAndNoShardHearsOfIt) {
  const std::string keys[2] = {cluster_.KeyOn(0), cluster_.KeyOn(1)};
  ASSERT_EQ(admin_.Command({"CONFIG", "SET", "requirepass", "s3cret"}), "OK");
  for (int i = 0; i < 4; ++i) {
    Client client = cluster_.Connect();
    EXPECT_EQ(client.Command({"GET", "k"}), "(error) NOAUTH Authentication required.");
    EXPECT_EQ(client.Command({"AUTH", "wrong"}).substr(0, 17), "(error) WRONGPASS");
    EXPECT_EQ(client.Command({"AUTH", "s3cret"}), "OK");
    EXPECT_EQ(client.Command({"GET", "k"}), "(nil)");
  }
  EXPECT_EQ(admin_.Command({"PING"}), "PONG");
  EXPECT_EQ(admin_.Command({"CONFIG", "GET", "requirepass"}), "[\"requirepass\", \"s3cret\"]");
  LoseAllShards();
  for (size_t i = 0; i < cluster_.size(); ++i) {
    EXPECT_EQ(cluster_.server(i).Command({"CONFIG", "GET", "requirepass"}),
              "[\"requirepass\", \"\"]");
    EXPECT_TRUE(Eventually([&] { return admin_.Command({"SET", keys[i], "v"}) == "OK"; }));
  }
  ASSERT_EQ(admin_.Command({"CONFIG", "SET", "requirepass", ""}), "OK");
  EXPECT_EQ(cluster_.Connect().Command({"PING"}), "PONG");
  EXPECT_EQ(admin_.Command({"CONFIG", "GET", "requirepass"}), "[\"requirepass\", \"\"]");
}

TEST_F(RequirePassTest, PairsAreSetTogetherOrNotAtAll) {
  const auto get = [&](const std::string& name) { return admin_.Command({"CONFIG", "GET", name}); };
  const std::string mixed = admin_.Command(
      {"CONFIG", "SET", "requirepass", "x", "hash-max-listpack-entries", "many", "timeout", "7"});
  EXPECT_EQ(mixed.substr(0, 31), "(error) ERR CONFIG SET failed (");
  EXPECT_EQ(get("requirepass"), "[\"requirepass\", \"\"]");
  EXPECT_EQ(get("timeout"), "[\"timeout\", \"0\"]");
  EXPECT_EQ(
      admin_.Command({"CONFIG", "SET", "hash-max-listpack-entries", "9", "timeout", "-1"}),
      "(error) ERR CONFIG SET failed (possibly related to argument 'timeout') - argument must "
      "be between 0 and 2147483647 inclusive");
  EXPECT_EQ(admin_.Command({"CONFIG", "SET", "hash-max-listpack-entries", "9", "nonsense", "1"})
                .substr(0, 26),
            "(error) ERR Unknown option");
  EXPECT_EQ(admin_.Command({"CONFIG", "SET", "hash-max-listpack-entries", "9", "dir", "/"}),
            "(error) ERR CONFIG SET failed (possibly related to argument 'dir') - it is each "
            "server's own: set it on each shard");
  EXPECT_EQ(admin_.Command({"CONFIG", "SET", "maxclients", "9", "MAXCLIENTS", "8"}),
            "(error) ERR CONFIG SET failed (possibly related to argument 'MAXCLIENTS') - duplicate "
            "parameter");
  EXPECT_EQ(get("hash-max-listpack-entries"), "[\"hash-max-listpack-entries\", \"512\"]");
  EXPECT_EQ(admin_.Command({"CONFIG", "SET", "hash-max-listpack-entries", "9", "timeout", "300",
                            "maxclients", "77"}),
            "OK");
  EXPECT_EQ(get("hash-max-listpack-entries"), "[\"hash-max-listpack-entries\", \"9\"]");
  EXPECT_EQ(get("timeout"), "[\"timeout\", \"300\"]");
  EXPECT_EQ(get("maxclients"), "[\"maxclients\", \"77\"]");
  EXPECT_EQ(cluster_.server(0).Command({"CONFIG", "GET", "maxclients"}),
            "[\"maxclients\", \"10000\"]");
  EXPECT_EQ(admin_.Command({"CONFIG", "RESETSTAT"}), "OK");
}

TEST_F(RequirePassTest, MaxclientsAndTimeoutHoldForTheProxysClients) {
  Client idle = cluster_.Connect();
  Client listener = cluster_.Connect();
  EXPECT_EQ(listener.Command({"SUBSCRIBE", "news"}), "[\"subscribe\", \"news\", (integer) 1]");
  EXPECT_EQ(idle.Command({"PING"}), "PONG");
  ASSERT_EQ(admin_.Command({"CONFIG", "SET", "maxclients", "3"}), "OK");
  EXPECT_EQ(cluster_.Connect().ReadToEnd(), "-ERR max number of clients reached\r\n<closed>");
  ASSERT_EQ(admin_.Command({"CONFIG", "SET", "timeout", "1"}), "OK");
  EXPECT_TRUE(idle.PeerCloses());
  EXPECT_EQ(listener.Command({"PING"}), "[\"pong\", \"\"]");
}

TEST_F(RequirePassTest, ShardsPasswordsAreNotShown) {
  for (size_t i = 0; i < cluster_.size(); ++i) {
    ASSERT_EQ(cluster_.server(i).Command({"CONFIG", "SET", "masterauth", "theirs"}), "OK");
  }
  EXPECT_EQ(admin_.Command({"CONFIG", "GET", "*auth"}), "[\"masterauth\", \"\"]");
}

// What could stop a server, change whom it obeys or end its connections.
const std::vector<std::vector<std::string>>& Dangers() {
  static const std::vector<std::vector<std::string>> dangers = {
      {"ACL", "SETUSER", "default", "on", ">other", "-@all", "+@connection", "+ping"},
      {"ACL", "SETUSER", "default", "on", "nopass", "allkeys", "allchannels", "allcommands"},
      {"ACL", "LOAD"},
      {"ACL", "SAVE"},
      {"CLIENT", "KILL", "TYPE", "normal"},
      {"CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "no"},
      {"CLIENT", "NO-EVICT", "off"},
      {"CLIENT", "PAUSE", "1"},
      {"CLIENT", "REPLY", "on"},
      {"CONFIG", "SET", "requirepass", "other"},
      {"CONFIG", "SET", "protected-mode", "no"},
      {"CONFIG", "SET", "maxclients", "1"},
      {"CONFIG", "SET", "timeout", "1"},
      {"CONFIG", "SET", "proto-max-bulk-len", "1048576"},
      {"CONFIG", "SET", "client-query-buffer-limit", "1048576"},
      {"CONFIG", "SET", "client-output-buffer-limit", "normal 1 1 1"},
      {"CONFIG", "SET", "maxmemory-clients", "1"},
      {"CONFIG", "SET", "tls-port", "7"},
      {"CONFIG", "REWRITE"},
      {"DEBUG", "SEGFAULT"},
      {"DEBUG", "PANIC"},
      {"DEBUG", "RESTART"},
      {"DEBUG", "OOM"},
      {"DEBUG", "CLIENT-EVICTION"},
      {"FAILOVER"},
      {"FAILOVER", "ABORT"},
      {"MIGRATE", "127.0.0.1", "1", "k", "0", "10"},
      {"MODULE", "LOAD", "/nowhere"},
      {"PSYNC", "?", "-1"},
      {"QUIT"},
      {"REPLCONF", "ack", "1"},
      {"REPLICAOF", "127.0.0.1", "1"},
      {"REPLICAOF", "NO", "ONE"},
      {"SCRIPT", "DEBUG", "yes"},
      {"SHUTDOWN", "NOSAVE"},
      {"SLAVEOF", "127.0.0.1", "1"},
      {"SYNC"},
  };
  return dangers;
}

// As a server sees it: who it obeys, whom it lets in, what its limits are.
std::string StateOf(RedisServer& server) {
  std::string state;
  for (const char* name : {"requirepass", "protected-mode", "maxclients", "timeout", "port",
                           "proto-max-bulk-len", "client-query-buffer-limit", "tls-port",
                           "client-output-buffer-limit", "maxmemory-clients"}) {
    state += server.Command({"CONFIG", "GET", name});
  }
  return state + server.Command({"ROLE"}).substr(0, 10) + server.Command({"ACL", "LIST"});
}

double ConnectionsLost(Cluster& cluster) {
  const HttpReply page = HttpGet(cluster.proxy().admin_port(), "/metrics");
  return MetricsText(page.body).Sum("ringmaster_shard_connections_lost_total");
}

void SendIn(Client& client, const std::string& way, const std::vector<std::string>& words) {
  if (way == "plain") client.Command(words);
  if (way == "MULTI") client.Pipeline({{"MULTI"}, words, {"GET", "k"}, {"EXEC"}});
  if (way != "script") return;
  std::string script;
  for (const std::string& word : words) script += (script.empty() ? "'" : ",'") + word + "'";
  client.Command({"EVAL", "return redis.call(" + script + ")", "0"});
}

TEST(DangersTest, ReachNoShardAloneInTransactionsOrInScripts) {
  Cluster cluster{ClusterOptions{.shards = 2}};
  ASSERT_EQ(
      cluster.Connect().Command({"ACL", "SETUSER", "root", "on", ">root", "~*", "&*", "+@all"}),
      "OK");
  const std::string key[2] = {cluster.KeyOn(0), cluster.KeyOn(1)};
  const std::string state[2] = {StateOf(cluster.server(0)), StateOf(cluster.server(1))};
  for (const std::vector<std::string>& words : Dangers()) {
    for (const std::string way : {"plain", "MULTI", "script"}) {
      SCOPED_TRACE(words[0] + " " + words.back() + ", " + way);
      {
        Client client = cluster.Connect();
        SendIn(client, way, words);
        for (size_t i = 0; i < 2; ++i) {
          EXPECT_EQ(StateOf(cluster.server(i)), state[i]);
        }
      }
      // What it did at the proxy is undone.
      Client root = cluster.Connect();
      ASSERT_TRUE(Eventually([&] {
        root = cluster.Connect();  // the last one may still count
        return root.Command({"AUTH", "root", "root"}) == "OK";
      }));
      for (const std::string& each : key) EXPECT_EQ(root.Command({"SET", each, "v"}), "OK");
      EXPECT_EQ(ConnectionsLost(cluster), 0);
      EXPECT_EQ(
          root.Command({"ACL", "SETUSER", "default", "reset", "on", "nopass", "~*", "&*", "+@all"}),
          "OK");
      EXPECT_EQ(root.Command({"CONFIG", "SET", "maxclients", "1000", "timeout", "0"}), "OK");
    }
  }
}

}  // namespace
}  // namespace ringmaster::integration
