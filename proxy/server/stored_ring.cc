#include "server/stored_ring.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/tag_rule.h"
#include "config/yaml.h"
#include "ring/hash.h"
#include "ring/topology.h"

namespace ringmaster {
namespace {

using Json = nlohmann::json;

// With rules the second: a version that does not know them would look for keys in the wrong place.
constexpr int kFormat = 1;
constexpr int kFormatWithRules = 2;

Error Unreadable(const std::string& why) {
  return Error{ErrorCode::kInvalid,
               "the ring in the state database cannot be read: " + why +
                   "; restore the database from a copy, or move it away to begin with the "
                   "configuration's ring (then keys that were on the move may be hidden)"};
}

// JSON is UTF-8, and a name may be any bytes.
std::string ToJson(Bytes text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.push_back(c);
    } else {
      out.push_back(static_cast<char>(0xc0U | byte >> 6));
      out.push_back(static_cast<char>(0x80U | (byte & 0x3fU)));
    }
  }
  return out;
}

std::string FromJson(Bytes text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x80 && i + 1 < text.size()) {
      out.push_back(static_cast<char>(byte << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fU)));
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

const ShardConfig* Named(const PoolConfig& pool, const std::string& name) {
  const auto at = std::find_if(pool.shards.begin(), pool.shards.end(),
                               [&](const ShardConfig& shard) { return shard.name == name; });
  return at == pool.shards.end() ? nullptr : &*at;
}

Json TlsOf(const TlsConfig& tls, bool whole) {
  if (!tls.enabled || !whole) return tls.enabled;
  return {{"ca", ToJson(tls.authorities)},
          {"cert", ToJson(tls.certificate)},
          {"key", ToJson(tls.key)},
          {"server_name", ToJson(tls.server_name)},
          {"verify", tls.verify}};
}

std::string TextOf(const Json& map, const char* key, const std::string& otherwise = "") {
  const auto at = map.find(key);
  return at != map.end() && at->is_string() ? FromJson(at->get_ref<const std::string&>())
                                            : otherwise;
}

uint32_t NumberOf(const Json& map, const char* key, uint32_t otherwise) {
  const auto at = map.find(key);
  return at != map.end() && at->is_number_unsigned() ? at->get<uint32_t>() : otherwise;
}

// A shard that left, as far as the database says how to reach it.
struct Leaving {
  ShardConfig shard;
  bool has_login = false;
  bool has_tls = false;
};

std::optional<Leaving> ReadShard(const Json& map) {
  Leaving read;
  ShardConfig& shard = read.shard;
  if (!map.is_object()) return std::nullopt;
  shard.name = TextOf(map, "name");
  const Result<Address> address = ParseAddress(TextOf(map, "address"));
  if (shard.name.empty() || !address) return std::nullopt;
  shard.address = *address;
  shard.weight = NumberOf(map, "weight", 1);
  shard.master = TextOf(map, "master");
  if (const auto replicas = map.find("replicas"); replicas != map.end() && replicas->is_array()) {
    for (const Json& each : *replicas) {
      const Result<Address> replica = ParseAddress(each.is_string() ? each.get<std::string>() : "");
      if (replica) shard.replicas.push_back(*replica);
    }
  }
  if (const auto login = map.find("login"); login != map.end() && login->is_object()) {
    read.has_login = true;
    shard.username = TextOf(*login, "username");
    shard.password = TextOf(*login, "password");
  }
  const auto tls = map.find("tls");
  if (tls == map.end()) return read;
  read.has_tls = tls->is_object();
  shard.tls.enabled = read.has_tls || *tls == true;
  if (!read.has_tls) return read;
  shard.tls.authorities = TextOf(*tls, "ca");
  shard.tls.certificate = TextOf(*tls, "cert");
  shard.tls.key = TextOf(*tls, "key");
  shard.tls.server_name = TextOf(*tls, "server_name");
  const auto verify = tls->find("verify");
  shard.tls.verify = verify == tls->end() || *verify != false;
  return read;
}

// What the configuration's shards have in common counts for one that is not among them.
ShardConfig Complete(const Leaving& read, const PoolConfig& wanted) {
  ShardConfig shard = read.shard;
  if (!read.has_login && !wanted.shards.empty()) {
    const ShardConfig& first = wanted.shards.front();
    const bool common =
        std::all_of(wanted.shards.begin(), wanted.shards.end(), [&](const ShardConfig& each) {
          return each.username == first.username && each.password == first.password;
        });
    if (common) {
      shard.username = first.username;
      shard.password = first.password;
    }
  }
  if (!shard.tls.enabled || read.has_tls) return shard;
  for (const ShardConfig& each : wanted.shards) {
    if (!each.tls.enabled) continue;
    shard.tls = each.tls;
    shard.tls.server_name.clear();
    break;
  }
  return shard;
}

Result<PoolConfig> ReadJson(const std::string& text, const PoolConfig& wanted) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Unreadable("it is no JSON object");
  const uint32_t format = NumberOf(json, "format", 0);
  if (format > kFormatWithRules) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("the ring in the state database was written by a later version of "
                             "Ringmaster (format {}, and this one knows {}): start that one",
                             format, kFormatWithRules)};
  }
  PoolConfig pool;
  pool.ring.hash = TextOf(json, "hash", pool.ring.hash);
  pool.ring.distribution = TextOf(json, "distribution", pool.ring.distribution);
  pool.ring.virtual_nodes = NumberOf(json, "virtual_nodes", pool.ring.virtual_nodes);
  pool.ring.hash_tag = TextOf(json, "hash_tag");
  if (const auto rules = json.find("together"); rules != json.end() && rules->is_array()) {
    for (const Json& rule : *rules) {
      if (!rule.is_string()) return Unreadable("a rule of ring.together is no text");
      pool.ring.together.push_back(FromJson(rule.get_ref<const std::string&>()));
    }
  }
  const auto shards = json.find("shards");
  if (format == 0 || shards == json.end() || !shards->is_array() || shards->empty()) {
    return Unreadable("it has no shards");
  }
  for (const Json& each : *shards) {
    const std::optional<Leaving> shard = ReadShard(each);
    if (!shard) return Unreadable("a shard has neither name nor address");
    pool.shards.push_back(Complete(*shard, wanted));
  }
  return pool;
}

// --- as it was before format 1: a whole configuration ---

const YamlValue* Below(const YamlValue& map, Bytes key) {
  for (size_t i = 0; i < map.keys.size(); ++i) {
    if (map.keys[i].text == key) return &map.values[i];
  }
  return nullptr;
}

std::string YamlText(const YamlValue& map, Bytes key, const std::string& otherwise = "") {
  const YamlValue* value = Below(map, key);
  return value != nullptr && value->kind == YamlValue::Kind::kText ? value->text : otherwise;
}

uint32_t YamlNumber(const YamlValue& map, Bytes key, uint32_t otherwise) {
  const auto number = ParseInteger(YamlText(map, key));
  return number && *number > 0 && *number <= UINT32_MAX ? static_cast<uint32_t>(*number)
                                                        : otherwise;
}

std::optional<Leaving> ReadYamlShard(const YamlValue& map) {
  Leaving read;
  read.shard.name = YamlText(map, "name");
  const Result<Address> address = ParseAddress(YamlText(map, "address"));
  if (read.shard.name.empty() || !address) return std::nullopt;
  read.shard.address = *address;
  read.shard.weight = YamlNumber(map, "weight", 1);
  read.shard.username = YamlText(map, "username");
  read.shard.password = YamlText(map, "password");
  read.has_login = !read.shard.password.empty();
  const YamlValue* tls = Below(map, "tls");
  if (tls == nullptr) return read;
  read.has_tls = true;
  read.shard.tls = {true,
                    YamlText(*tls, "cert"),
                    YamlText(*tls, "key"),
                    YamlText(*tls, "ca"),
                    YamlText(*tls, "server_name"),
                    YamlText(*tls, "verify") != "false"};
  return read;
}

Result<PoolConfig> ReadYaml(const std::string& text, const PoolConfig& wanted) {
  Problems problems;
  const std::optional<YamlValue> tree = ParseYaml(text, problems);
  const YamlValue* pools = tree ? Below(*tree, "pools") : nullptr;
  if (pools == nullptr || pools->values.empty()) return Unreadable("it has no pool");
  const YamlValue& from = pools->values.front();
  PoolConfig pool;
  if (const YamlValue* ring = Below(from, "ring")) {
    pool.ring.hash = YamlText(*ring, "hash", pool.ring.hash);
    pool.ring.distribution = YamlText(*ring, "distribution", pool.ring.distribution);
    pool.ring.virtual_nodes = YamlNumber(*ring, "virtual_nodes", pool.ring.virtual_nodes);
    pool.ring.hash_tag = YamlText(*ring, "hash_tag", pool.ring.hash_tag);
  }
  const YamlValue* shards = Below(from, "shards");
  if (shards == nullptr || shards->values.empty()) return Unreadable("it has no shards");
  for (const YamlValue& each : shards->values) {
    const std::optional<Leaving> shard = ReadYamlShard(each);
    if (!shard) return Unreadable("a shard has neither name nor address");
    pool.shards.push_back(Complete(*shard, wanted));
  }
  return pool;
}

}  // namespace

std::string WriteStoredRing(const PoolConfig& ring, const PoolConfig& wanted) {
  Json json = {{"format", ring.ring.together.empty() ? kFormat : kFormatWithRules},
               {"hash", ToJson(ring.ring.hash)},
               {"distribution", ToJson(ring.ring.distribution)},
               {"virtual_nodes", ring.ring.virtual_nodes},
               {"hash_tag", ToJson(ring.ring.hash_tag)},
               {"shards", Json::array()}};
  for (const std::string& rule : ring.ring.together) json["together"].push_back(ToJson(rule));
  for (const ShardConfig& shard : ring.shards) {
    const bool leaves = Named(wanted, shard.name) == nullptr;
    Json each = {{"name", ToJson(shard.name)},
                 {"address", ToJson(shard.address.ToString())},
                 {"weight", shard.weight},
                 {"tls", TlsOf(shard.tls, leaves)}};
    if (leaves && !shard.master.empty()) each["master"] = ToJson(shard.master);
    if (leaves && !shard.replicas.empty()) {
      each["replicas"] = Json::array();
      for (const Address& replica : shard.replicas) {
        each["replicas"].push_back(ToJson(replica.ToString()));
      }
    }
    if (leaves) {
      each["login"] = {{"username", ToJson(shard.username)}, {"password", ToJson(shard.password)}};
    }
    json["shards"].push_back(std::move(each));
  }
  return json.dump();
}

Result<PoolConfig> ReadStoredRing(const std::string& text, const PoolConfig& wanted) {
  Result<PoolConfig> read = text.starts_with('{') ? ReadJson(text, wanted) : ReadYaml(text, wanted);
  if (!read) return read;
  const RingConfig& ring = read->ring;
  if (!ParseHashKind(ring.hash) || !ParseDistributionKind(ring.distribution)) {
    return Unreadable(
        fmt::format("this version does not know the hash '{}' with the distribution "
                    "'{}'",
                    Printable(ring.hash, 64), Printable(ring.distribution, 64)));
  }
  for (const std::string& rule : ring.together) {
    if (const Result<TagRule> parsed = TagRule::Parse(rule); !parsed) {
      return Unreadable("the rule '" + Printable(rule, 64) + "' " + parsed.error().text);
    }
  }
  RefreshShards(*read, wanted);
  return read;
}

void RefreshShards(PoolConfig& ring, const PoolConfig& from) {
  for (ShardConfig& shard : ring.shards) {
    const ShardConfig* known = Named(from, shard.name);
    if (known == nullptr) continue;
    const uint32_t weight = shard.weight;
    shard = *known;
    shard.weight = weight;
  }
}

}  // namespace ringmaster
