// The parts of ParseConfig, one for each list of the schema. Inside config/ only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/section.h"

namespace ringmaster {

// The listen addresses of one configuration, so that two that cannot be open together are told.
class ListenClaims {
 public:
  explicit ListenClaims(Problems& problems) : problems_(problems) {}

  void Claim(const Address& address, Position at, const std::string& owner);
  // Complains when `shard` is an address that we listen on ourselves: requests would go in circles.
  void RefuseLoop(const Address& shard, Position at, const std::string& path) const;

 private:
  struct Entry {
    Address address;
    Position at;
    std::string owner;
  };
  Problems& problems_;
  std::vector<Entry> entries_;
};

// An address with its place in the file.
struct PlacedAddress {
  Address address;
  Position at;
  std::string path;
};

// `shards` gets every address of a shard or replica, for ListenClaims::RefuseLoop.
std::vector<PoolConfig> ParsePools(Section& root, ListenClaims& claims,
                                   std::vector<PlacedAddress>& shards);
std::vector<UserConfig> ParseUsers(Section& pool);
std::vector<CommandConfig> ParseCommands(Section& root);
// The value is a map, or `true` or `false` towards a shard.
TlsConfig ParseListenerTls(const YamlValue& value, const std::string& path, Problems& problems);
TlsConfig ParseShardTls(const YamlValue& value, const std::string& path, Problems& problems);
// nullopt and a complaint when it is none.
std::optional<Address> ParseAddressValue(const YamlValue& value, const std::string& path,
                                         Problems& problems);
// The value's elements when it is a list of 1 to `max`; none and a complaint otherwise.
std::span<const YamlValue> ListElements(const YamlValue& value, size_t max, const std::string& path,
                                        Problems& problems);
// Complains about a name that could not be shown, typed or told from others.
void CheckName(const std::string& name, Position at, const std::string& path, Problems& problems);

}  // namespace ringmaster
