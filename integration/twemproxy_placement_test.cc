// A twemproxy user switches without moving data: with ketama and modula each key lies on the very
// server where Debian's nutcracker put it, for every hash function, weight, name and hash tag.
#include <gtest/gtest.h>

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "resp/request_writer.h"
#include "ring/topology.h"
#include "support/child_process.h"
#include "support/client.h"
#include "support/port.h"
#include "support/redis_server.h"
#include "support/temp_folder.h"

namespace ringmaster::integration {
namespace {

constexpr size_t kKeys = 20000;

constexpr HashKind kTwemproxysHashes[] = {
    HashKind::kMurmur,   HashKind::kCrc16,   HashKind::kCrc32,    HashKind::kCrc32a,
    HashKind::kMd5,      HashKind::kFnv1_64, HashKind::kFnv1a_64, HashKind::kFnv1_32,
    HashKind::kFnv1a_32, HashKind::kHsieh,   HashKind::kJenkins,  HashKind::kOneAtATime,
};

// A line of a pool's `servers`, and what we call the same server.
struct ServerLine {
  std::string line;
  std::string name;
  uint32_t weight;
};

std::string WhereTwemproxyFinds(const RedisServer& server) {
  return server.address().kind == Address::kUnix ? server.address().path
                                                 : "127.0.0.1:" + std::to_string(server.port());
}

ServerLine Plain(const RedisServer& server, uint32_t weight = 1) {
  const std::string where = WhereTwemproxyFinds(server);
  const bool is_unix = server.address().kind == Address::kUnix;
  return {where + ":" + std::to_string(weight), is_unix ? where + ":" : where, weight};
}

ServerLine Alias(const RedisServer& server, const std::string& alias, uint32_t weight = 1) {
  return {Plain(server, weight).line + " " + alias, alias, weight};
}

struct Pool {
  DistributionKind distribution;
  HashKind hash;
  std::string hash_tag;
  std::vector<ServerLine> servers;

  std::string Yaml(const std::string& name, uint16_t port) const {
    std::string text = name + ":\n  listen: 127.0.0.1:" + std::to_string(port) + "\n";
    text += "  redis: true\n  auto_eject_hosts: false\n  timeout: 10000\n";
    text += "  hash: " + std::string(HashName(hash)) + "\n";
    text += "  distribution: " + std::string(DistributionName(distribution)) + "\n";
    if (!hash_tag.empty()) text += "  hash_tag: \"" + hash_tag + "\"\n";
    text += "  servers:\n";
    for (const ServerLine& server : servers) text += "    - " + server.line + "\n";
    return text;
  }

  std::shared_ptr<const Topology> Ours() const {
    TopologySpec spec;
    spec.distribution = distribution;
    spec.hash = hash;
    spec.hash_tag = hash_tag;
    for (const ServerLine& server : servers)
      spec.shards.push_back({server.name, "", server.weight});
    return Topology::Build(spec, 1).value();
  }
};

// One process that serves all the pools, each on a port of its own.
class Nutcracker {
 public:
  explicit Nutcracker(const std::vector<Pool>& pools) {
    std::string config;
    for (const Pool& pool : pools) {
      ports_.push_back(std::make_unique<Port>());
      config += pool.Yaml("pool" + std::to_string(ports_.size()), ports_.back()->number());
    }
    process_ = ChildProcess(
        {"nutcracker", "-c", folder_.Write("nutcracker.yml", config), "-a", "127.0.0.1", "-s",
         std::to_string(stats_.number()), "-p", folder_.File("pid"), "-o", folder_.File("log")},
        folder_.File("output"));
  }

  // Connects, once the pool listens.
  Client Connect(size_t pool) {
    const auto connect = [&] { return Client(ports_[pool]->number()); };
    Eventually([&] { return !process_.running() || connect().connected(); });
    if (!process_.running()) ADD_FAILURE() << ReadFile(folder_.File("output"));
    return connect();
  }

 private:
  TempFolder folder_;
  Port stats_;
  std::vector<std::unique_ptr<Port>> ports_;
  ChildProcess process_;
};

// Half are names as people choose them, half any bytes at all, some with a hash tag.
std::vector<std::string> MakeKeys() {
  Random random(11);
  std::vector<std::string> keys;
  for (size_t i = 0; keys.size() < kKeys; ++i) {
    const std::string number = std::to_string(i);
    keys.push_back("user:" + number);
    std::string bytes = number + "\xc3\xa9";
    for (uint64_t left = random.Below(40); left > 0; --left) {
      bytes.push_back(static_cast<char>(random.Below(256)));
    }
    keys.push_back(bytes);
    keys.push_back("{tag" + std::to_string(i % 97) + "}" + number);
    keys.push_back(number + "{}{" + std::to_string(i % 13) + "}");
  }
  keys.resize(kKeys);
  return keys;
}

std::string SetAll(const std::vector<std::string>& keys) {
  std::string bytes;
  for (const std::string& key : keys) bytes += MakeRequest({"SET", key, "v"});
  return bytes;
}

// The elements of an array of bulk strings; the keys are any bytes, so the lengths lead.
std::vector<std::string> BulksOf(const std::string& raw) {
  std::vector<std::string> bulks;
  size_t at = raw.find("\r\n") + 2;
  while (at < raw.size() && raw[at] == '$') {
    const size_t end = raw.find("\r\n", at);
    size_t size = 0;
    std::from_chars(raw.data() + at + 1, raw.data() + end, size);
    bulks.push_back(raw.substr(end + 2, size));
    at = end + 2 + size + 2;
  }
  return bulks;
}

// Writes the keys through nutcracker and compares where each of them lies with where we look for
// it; then empties the servers.
void ExpectSamePlacement(Nutcracker& nutcracker, size_t index, const Pool& pool,
                         const std::vector<const RedisServer*>& servers,
                         const std::vector<std::string>& keys) {
  Client client = nutcracker.Connect(index);
  ASSERT_TRUE(client.Send(SetAll(keys)));
  std::string expected;
  for (size_t i = 0; i < keys.size(); ++i) expected += "+OK\r\n";
  ASSERT_TRUE(client.ReadRaw(keys.size()) == expected) << "a SET through nutcracker failed";

  const std::shared_ptr<const Topology> topology = pool.Ours();
  size_t found = 0;
  size_t elsewhere = 0;
  for (uint32_t shard = 0; shard < servers.size(); ++shard) {
    Client server = servers[shard]->Connect();
    for (const std::string& key : BulksOf(server.CommandRaw({"KEYS", "*"}))) {
      ++found;
      const uint32_t ours = topology->ShardOf(key);
      if (ours != shard && ++elsewhere <= 3) {
        ADD_FAILURE() << "\"" << Printable(key) << "\" lies on " << pool.servers[shard].name
                      << ", we would look on " << pool.servers[ours].name;
      }
    }
    EXPECT_EQ(server.Command({"FLUSHALL"}), "OK");
  }
  EXPECT_EQ(found, keys.size());
  EXPECT_EQ(elsewhere, 0U);
}

void ExpectSamePlacement(const std::vector<Pool>& pools,
                         const std::vector<const RedisServer*>& servers) {
  const std::vector<std::string> keys = MakeKeys();
  Nutcracker nutcracker(pools);
  for (size_t i = 0; i < pools.size(); ++i) {
    SCOPED_TRACE("pool " + std::to_string(i) + ", " + std::string(HashName(pools[i].hash)) + ", " +
                 std::string(DistributionName(pools[i].distribution)));
    ExpectSamePlacement(nutcracker, i, pools[i], servers, keys);
  }
}

class TwemproxyPlacementTest : public testing::Test {
 protected:
  const std::vector<const RedisServer*> servers_ = {&a_, &b_, &c_, &d_};
  std::vector<ServerLine> EqualServers() const {
    return {Plain(a_), Plain(b_), Plain(c_), Plain(d_)};
  }
  std::vector<ServerLine> WeightedServers() const {
    return {Alias(a_, "alpha", 1), Alias(b_, "beta", 3), Plain(c_, 2), Alias(d_, "delta", 7)};
  }

 private:
  RedisServer a_, b_, c_, d_;
};

TEST_F(TwemproxyPlacementTest, KetamaFindsEachKeyForEveryHash) {
  std::vector<Pool> pools;
  for (const HashKind hash : kTwemproxysHashes) {
    pools.push_back({DistributionKind::kKetama, hash, "", EqualServers()});
  }
  ExpectSamePlacement(pools, servers_);
}

TEST_F(TwemproxyPlacementTest, ModulaFindsEachKeyForEveryHash) {
  std::vector<Pool> pools;
  for (const HashKind hash : kTwemproxysHashes) {
    pools.push_back({DistributionKind::kModula, hash, "", EqualServers()});
  }
  ExpectSamePlacement(pools, servers_);
}

TEST_F(TwemproxyPlacementTest, WeightsAliasesAndHashTagsMeanTheSame) {
  ExpectSamePlacement(
      {
          {DistributionKind::kKetama, HashKind::kFnv1a_64, "{}", WeightedServers()},
          {DistributionKind::kKetama, HashKind::kMurmur, "", WeightedServers()},
          {DistributionKind::kModula, HashKind::kCrc32a, "{}", WeightedServers()},
          {DistributionKind::kModula, HashKind::kMd5, "13", EqualServers()},
      },
      servers_);
}

// Without an alias twemproxy hashes "host" when the port is memcached's, and leaves the colon
// behind the path of a Unix socket.
TEST(TwemproxyNamesTest, MemcachedsPortAndUnixSocketsAreNamedAsTwemproxyDoes) {
  // A loopback address that nobody else uses, so that this port is free there.
  const RedisServer::Options on_memcacheds_port = {.config = {"port 11211", "bind 127.0.11.211"},
                                                   .unix_socket = true};
  const RedisServer a(on_memcacheds_port);
  const RedisServer b(RedisServer::Options{.unix_socket = true});
  const RedisServer c;
  const std::vector<ServerLine> lines = {
      {"127.0.11.211:11211:1", "127.0.11.211", 1}, Plain(b), Plain(c)};
  ExpectSamePlacement({{DistributionKind::kKetama, HashKind::kMurmur, "", lines}}, {&a, &b, &c});
}

}  // namespace
}  // namespace ringmaster::integration
