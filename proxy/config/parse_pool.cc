#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/tag_rule.h"
#include "config/parse.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxPools = 64;
constexpr size_t kMaxListen = 64;
constexpr size_t kMaxShards = 4096;
constexpr size_t kMaxReplicas = 16;
constexpr size_t kMaxSentinels = 32;
constexpr int64_t kMaxWeight = 100'000;
constexpr int64_t kMaxVirtualNodes = 65536;
constexpr uint64_t kMaxRingPoints = uint64_t{1} << 24;  // Topology builds no more
constexpr int64_t kMaxDatabases = 1024;
constexpr size_t kMaxName = 128;
constexpr uint16_t kTwemproxyImpliedPort = 11211;

constexpr Bytes kHashes[] = {"xxh3",  "murmur",  "crc16",        "crc32",   "crc32a",
                             "md5",   "fnv1_64", "fnv1a_64",     "fnv1_32", "fnv1a_32",
                             "hsieh", "jenkins", "one_at_a_time"};
constexpr Bytes kDistributions[] = {"ring", "ketama", "modula"};

void ReadOneOf(Section& section, Bytes key, std::span<const Bytes> names, std::string& out) {
  const YamlValue* value = section.FindText(key);
  const int index = value == nullptr ? -1 : section.Choose(*value, names, section.PathOf(key));
  if (index >= 0) out = names[static_cast<size_t>(index)];
}

RingConfig ParseRing(const YamlValue* value, const std::string& path, Problems& problems) {
  RingConfig ring;
  Section section(value, path, problems);
  ReadOneOf(section, "hash", kHashes, ring.hash);
  ReadOneOf(section, "distribution", kDistributions, ring.distribution);
  section.ReadInteger("virtual_nodes", 1, kMaxVirtualNodes, ring.virtual_nodes);
  const YamlValue* tag = section.FindText("hash_tag");
  if (tag != nullptr) {
    section.Read("hash_tag", ring.hash_tag);
    if (!ring.hash_tag.empty() && ring.hash_tag.size() != 2) {
      section.Complain(*tag, "hash_tag",
                       "write the opening and the closing character, such as \"{}\", or \"\" for "
                       "no hash tags");
    }
  }
  for (const YamlValue* rule : section.FindTexts("together")) {
    const Result<TagRule> parsed = TagRule::Parse(rule->text);
    const auto known = std::find(ring.together.begin(), ring.together.end(), rule->text);
    if (!parsed) {
      section.Complain(*rule, "together", "'" + rule->text + "' " + parsed.error().text);
    } else if (known != ring.together.end()) {
      section.Complain(*rule, "together", "'" + rule->text + "' is there twice: remove one");
    } else if (ring.together.size() == TagRule::kMaxRules) {
      section.Complain(*rule, "together",
                       fmt::format("at most {} rules", size_t{TagRule::kMaxRules}));
      break;
    } else {
      ring.together.push_back(rule->text);
    }
  }
  return ring;
}

ListenConfig ParseListenEntry(const YamlValue& value, const std::string& path, Problems& problems,
                              bool& usable) {
  ListenConfig listen;
  std::optional<Address> address;
  if (value.kind == YamlValue::Kind::kText) {
    address = ParseAddressValue(value, path, problems);
  } else {
    Section section(&value, path, problems);
    const YamlValue* text = section.FindText("address");
    if (text != nullptr) {
      address = ParseAddressValue(*text, section.PathOf("address"), problems);
    } else if (section.readable()) {
      section.Complain("the address is missing: add address");
    }
    if (const YamlValue* tls = section.Find("tls")) {
      listen.tls = ParseListenerTls(*tls, section.PathOf("tls"), problems);
      if (listen.tls.enabled && address && address->kind == Address::kUnix) {
        section.Complain(*tls, "tls", "a Unix socket takes no TLS: remove it");
      }
    }
  }
  usable = address.has_value();
  if (address) listen.address = *address;
  return listen;
}

std::vector<ListenConfig> ParseListen(Section& pool, const std::string& owner,
                                      ListenClaims& claims) {
  std::vector<ListenConfig> all;
  const YamlValue* value = pool.Find("listen");
  if (value == nullptr) {
    all.push_back({Address{Address::kTcp, "127.0.0.1", 6380, ""}, {}});
    claims.Claim(all.back().address, pool.at(), owner);
    return all;
  }
  const std::string path = pool.PathOf("listen");
  std::span<const YamlValue> elements(value, 1);
  if (value->kind == YamlValue::Kind::kList || value->kind == YamlValue::Kind::kNull) {
    elements = ListElements(*value, kMaxListen, path, pool.problems());
  }
  for (size_t i = 0; i < elements.size(); ++i) {
    bool usable = false;
    ListenConfig listen =
        ParseListenEntry(elements[i], fmt::format("{}[{}]", path, i), pool.problems(), usable);
    if (!usable) continue;
    claims.Claim(listen.address, elements[i].at, owner);
    all.push_back(std::move(listen));
  }
  return all;
}

SentinelsConfig ParseSentinels(const YamlValue& value, const std::string& path,
                               Problems& problems) {
  SentinelsConfig sentinels;
  Section section(&value, path, problems);
  const YamlValue* list = section.Find("addresses");
  if (list == nullptr && section.readable()) {
    section.Complain("the Sentinels' addresses are missing: add addresses");
  }
  if (list != nullptr) {
    const std::string below = section.PathOf("addresses");
    const auto elements = ListElements(*list, kMaxSentinels, below, problems);
    for (size_t i = 0; i < elements.size(); ++i) {
      const std::string at = fmt::format("{}[{}]", below, i);
      const auto address = ParseAddressValue(elements[i], at, problems);
      if (!address) continue;
      if (address->kind == Address::kUnix) {
        problems.Add(elements[i].at, at + ": a Sentinel has a host and a port");
      } else if (std::count(sentinels.addresses.begin(), sentinels.addresses.end(), *address) > 0) {
        problems.Add(elements[i].at, at + ": it is there already: each Sentinel has one voice");
      } else {
        sentinels.addresses.push_back(*address);
      }
    }
  }
  section.Read("username", sentinels.username);
  section.Read("password", sentinels.password);
  if (!sentinels.username.empty() && sentinels.password.empty()) {
    section.Complain("a username needs its password: add password");
  }
  if (const YamlValue* tls = section.Find("tls")) {
    section.Complain(*tls, "tls",
                     "Sentinels are reached without TLS: the library that asks them has none; "
                     "remove it, and ask them over a network that nobody else is in");
  }
  return sentinels;
}

// What places a shard without a name: its address, and with ketama the text that twemproxy hashes
// for a server without an alias, so that no key moves (conf_add_server in twemproxy's nc_conf.c).
std::string DefaultName(const Address& address, const RingConfig& ring) {
  if (ring.distribution == "ketama") {
    if (address.kind == Address::kUnix) return address.path + ":";
    if (address.port == kTwemproxyImpliedPort) return address.host;
  }
  return address.ToString();
}

// Reads the shards of one pool. Lives as long as that takes.
class ShardsParser {
 public:
  ShardsParser(const RingConfig& ring, Problems& problems, std::vector<PlacedAddress>& seen)
      : ring_(ring), problems_(problems), seen_(seen) {}

  std::vector<ShardConfig> Parse(const YamlValue& value, const std::string& path) {
    std::vector<ShardConfig> shards;
    const auto elements = ListElements(value, kMaxShards, path, problems_);
    for (size_t i = 0; i < elements.size(); ++i) {
      shards.push_back(ParseShard(elements[i], fmt::format("{}[{}]", path, i)));
    }
    uint64_t points = 0;
    for (const ShardConfig& shard : shards) points += uint64_t{shard.weight} * ring_.virtual_nodes;
    if (ring_.distribution == "ring" && points > kMaxRingPoints) {
      problems_.Add(value.at,
                    fmt::format("{}: the weights times virtual_nodes make {} points, more than {}: "
                                "lower either",
                                path, points, kMaxRingPoints));
    }
    return shards;
  }

 private:
  ShardConfig ParseShard(const YamlValue& value, const std::string& path) {
    ShardConfig shard;
    if (value.kind == YamlValue::Kind::kText) {
      if (const auto address = TakeAddress(value, path)) {
        shard.address = *address;
        Name(shard, nullptr, value.at, path);
      }
      return shard;
    }
    Section section(&value, path, problems_);
    const YamlValue* name = section.FindText("name");
    if (name != nullptr) section.Read("name", shard.name);
    const YamlValue* address_value = section.FindText("address");
    std::optional<Address> address;
    if (address_value != nullptr) {
      address = TakeAddress(*address_value, section.PathOf("address"));
    } else if (section.readable()) {
      section.Complain("the shard's address is missing: add address");
    }
    if (address) shard.address = *address;
    ReadMaster(section, shard, name != nullptr);
    if (address || name != nullptr) Name(shard, name, section.at(), path);
    section.ReadInteger("weight", 1, kMaxWeight, shard.weight);
    section.Read("username", shard.username);
    section.Read("password", shard.password);
    if (!shard.username.empty() && shard.password.empty()) {
      section.Complain("a username needs its password: add password");
    }
    if (const YamlValue* tls = section.Find("tls")) {
      shard.tls = ParseShardTls(*tls, section.PathOf("tls"), problems_);
      if (shard.tls.enabled && address && address->kind == Address::kUnix) {
        section.Complain(*tls, "tls", "a Unix socket takes no TLS: remove it");
      }
    }
    if (const YamlValue* replicas = section.Find("replicas")) {
      const std::string below = section.PathOf("replicas");
      const auto elements = ListElements(*replicas, kMaxReplicas, below, problems_);
      for (size_t i = 0; i < elements.size(); ++i) {
        const auto replica = TakeAddress(elements[i], fmt::format("{}[{}]", below, i));
        if (replica) shard.replicas.push_back(*replica);
      }
      if (!shard.master.empty()) {
        section.Complain(*replicas, "replicas",
                         "its Sentinels know its servers: remove it, or master");
      }
    }
    ReadFollow(section, shard);
    return shard;
  }

  // It says what holds anyway where there are replicas and no master.
  void ReadFollow(Section& section, const ShardConfig& shard) {
    const YamlValue* follow = section.FindText("follow");
    if (follow == nullptr) return;
    std::string how;
    section.Read("follow", how);
    if (how != "role") {
      section.Complain(*follow, "follow", "it is 'role' or nothing: Sentinels follow a master");
    } else if (shard.replicas.empty() || !shard.master.empty()) {
      section.Complain(*follow, "follow",
                       "by role means that the shard's servers say which of them is the primary: "
                       "list the others as replicas, without a master");
    }
  }

  // One that may move to another address is not called by that.
  void ReadMaster(Section& section, ShardConfig& shard, bool named) {
    const YamlValue* master = section.FindText("master");
    if (master == nullptr) return;
    section.Read("master", shard.master);
    CheckName(shard.master, master->at, section.PathOf("master"), problems_);
    const auto [first, fresh] = masters_.emplace(shard.master, master->at.line);
    if (!fresh) {
      section.Complain(*master, "master",
                       fmt::format("the shard on line {} has this one already", first->second));
    }
    if (!named) shard.name = shard.master;
  }

  std::optional<Address> TakeAddress(const YamlValue& value, const std::string& path) {
    auto address = ParseAddressValue(value, path, problems_);
    if (!address) return address;
    const auto [first, fresh] = addresses_.emplace(address->ToString(), value.at.line);
    if (!fresh) {
      problems_.Add(value.at, fmt::format("{}: {} is a shard or replica on line {} already: two of "
                                          "them would hold the same keys twice",
                                          path, address->ToString(), first->second));
    }
    seen_.push_back({*address, value.at, path});
    return address;
  }

  void Name(ShardConfig& shard, const YamlValue* name, Position whole, const std::string& path) {
    const Position at = name != nullptr ? name->at : whole;
    if (name == nullptr && shard.name.empty()) shard.name = DefaultName(shard.address, ring_);
    CheckName(shard.name, at, path + ".name", problems_);
    const auto [first, fresh] = names_.emplace(shard.name, at.line);
    if (!fresh && (name != nullptr || !shard.name.empty())) {
      problems_.Add(at, fmt::format("{}.name: the shard on line {} is called '{}' already", path,
                                    first->second, Printable(shard.name, 64)));
    }
  }

  const RingConfig& ring_;
  Problems& problems_;
  std::vector<PlacedAddress>& seen_;
  std::map<std::string, int> names_;      // and the line of the first
  std::map<std::string, int> addresses_;  // likewise
  std::map<std::string, int> masters_;    // likewise
};

PoolConfig ParsePool(const YamlValue& value, const std::string& path, ListenClaims& claims,
                     std::map<std::string, int>& names, std::vector<PlacedAddress>& shards,
                     Problems& problems) {
  PoolConfig pool;
  Section section(&value, path, problems);
  const YamlValue* name = section.FindText("name");
  const Position name_at = name != nullptr ? name->at : section.at();
  if (name != nullptr) {
    section.Read("name", pool.name);
    CheckName(pool.name, name_at, section.PathOf("name"), problems);
  }
  const auto [first, fresh] = names.emplace(pool.name, name_at.line);
  if (!fresh) {
    problems.Add(name_at,
                 fmt::format("{}: the pool on line {} is called '{}' already{}",
                             section.PathOf("name"), first->second, Printable(pool.name, 64),
                             name == nullptr ? ": give each pool a name" : ""));
  }
  pool.listen = ParseListen(section, fmt::format("pool '{}'", Printable(pool.name, 64)), claims);
  pool.ring = ParseRing(section.Find("ring"), section.PathOf("ring"), problems);
  const YamlValue* sentinels = section.Find("sentinels");
  if (sentinels != nullptr) {
    pool.sentinels = ParseSentinels(*sentinels, section.PathOf("sentinels"), problems);
  }
  if (const YamlValue* list = section.Find("shards")) {
    pool.shards = ShardsParser(pool.ring, problems, shards).Parse(*list, section.PathOf("shards"));
  } else if (section.readable()) {
    section.Complain("the shards are missing: add shards with at least one address");
  }
  const bool followed = std::any_of(pool.shards.begin(), pool.shards.end(),
                                    [](const ShardConfig& each) { return !each.master.empty(); });
  if (followed && sentinels == nullptr) {
    section.Complain("a shard has a master, and nobody can say where that is: add sentinels");
  }
  if (!followed && sentinels != nullptr) {
    section.Complain(*sentinels, "sentinels",
                     "no shard says which of their masters it is: add master to the shards");
  }
  section.ReadInteger("databases", 1, kMaxDatabases, pool.databases);
  pool.users = ParseUsers(section);
  return pool;
}

}  // namespace

void CheckName(const std::string& name, Position at, const std::string& path, Problems& problems) {
  const auto shows = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; };
  if (name.empty() || name.size() > kMaxName || !std::all_of(name.begin(), name.end(), shows)) {
    problems.Add(at, fmt::format("{}: a name has 1 to {} characters and no spaces, unlike '{}'",
                                 path, kMaxName, Printable(name, 64)));
  }
}

std::vector<PoolConfig> ParsePools(Section& root, ListenClaims& claims,
                                   std::vector<PlacedAddress>& shards) {
  std::vector<PoolConfig> pools;
  const YamlValue* value = root.Find("pools");
  if (value == nullptr) {
    if (!root.readable()) return pools;
    root.Complain("the pools are missing: add pools with one pool that has shards");
    return pools;
  }
  std::map<std::string, int> names;
  const auto elements = ListElements(*value, kMaxPools, "pools", root.problems());
  for (size_t i = 0; i < elements.size(); ++i) {
    pools.push_back(ParsePool(elements[i], fmt::format("pools[{}]", i), claims, names, shards,
                              root.problems()));
  }
  return pools;
}

}  // namespace ringmaster
