// The promise: the configuration can be read again at any time, under load, five hundred times in a
// row; what is wrong is refused whole and named, what is right drops no client (FIELD.md B12).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"
#include "support/checked_load.h"
#include "support/cluster.h"

namespace ringmaster::integration {
namespace {

TEST(TopologyChangeTest, FiveHundredReloadsUnderLoadDropNoClientAndCrossNoReply) {
  constexpr int kReloads = 500;
  Cluster cluster;
  ProxyProcess& proxy = cluster.proxy();
  const ConfigText base = proxy.config();
  CheckedLoad load(proxy.address(), {.clients = 3, .pipeline = 4});
  ASSERT_TRUE(Eventually([&] { return load.replies() > 500; }));
  Random random(9);
  int64_t resident = 0;
  for (int i = 0; i < kReloads; ++i) {
    ConfigText next = base;
    std::vector<std::string>& shards = next.pool().shards;
    std::string expected = "read again";
    switch (random.Below(8)) {
      case 0:  // the same
        break;
      case 1:
        std::reverse(shards.begin(), shards.end());
        break;
      case 2:
        shards.pop_back();
        break;
      case 3:
        next.pool().shards.clear();
        for (size_t s = 0; s < cluster.size(); ++s) {
          next.pool().Shard("renamed" + std::to_string(s), cluster.server(s).address(),
                            "weight: " + std::to_string(1 + random.Below(4)));
        }
        break;
      case 4:
        next.pool().ring = "distribution: ketama, hash: fnv1a_64";
        break;
      case 5:
        shards[0] = "{name: unknown, address: \"no-such-host.invalid:7000\"}";
        break;
      case 6:
        shards.push_back(shards[0]);
        expected = "reload refused";
        break;
      default:
        next.more = "no_such_key: 1";
        expected = "reload refused";
    }
    const std::string said = proxy.Reload(next);
    ASSERT_NE(said.find(expected), std::string::npos) << "reload " << i << " said: " << said;
    if (i == 50) resident = proxy.ResidentKib();
  }
  ASSERT_NE(proxy.Reload(base).find("read again"), std::string::npos);
  const CheckedLoad::Report report = load.Stop();
  EXPECT_TRUE(report.mismatches.empty()) << Summary(report);
  EXPECT_EQ(report.disconnects, 0U) << Summary(report);
  // Only the shard that does not exist, and requests that were under way to one that left.
  for (const auto& [kind, count] : report.errors_by_kind) {
    EXPECT_TRUE(kind == "NOTAPPLIED" || kind == "UNCERTAIN") << Summary(report);
  }
  if (MemoryIsItsOwn()) {
    EXPECT_LT(proxy.ResidentKib(), resident + 8 * 1024) << "memory grows with reloads";
  }
  EXPECT_EQ(cluster.Connect().Command({"SET", "key", "value"}), "OK");
  // Connections to shards that left, or to earlier lives of those that stayed, are closed.
  for (size_t i = 0; i < cluster.size(); ++i) {
    EXPECT_TRUE(Eventually([&] {
      const std::string info = cluster.server(i).Command({"INFO", "clients"});
      const size_t at = info.find("connected_clients:");
      return at != std::string::npos && std::stoi(info.substr(at + 18)) <= 2 * 2 + 1;
    })) << cluster.server(i).Command({"CLIENT", "LIST"});
  }
}

}  // namespace
}  // namespace ringmaster::integration
