#include "command/whole/scan_cursor.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace ringmaster {
namespace {

// Tags of moves have this bit; of all bits together is nobody's (ScanCursor::kRestart).
constexpr uint32_t kOfMove = 1U << (ScanCursor::kTagBits - 1);

}  // namespace

uint32_t ScanTag(const Topology& topology) {
  // FNV-1a, folded to ten bits.
  uint64_t hash = 0xcbf29ce484222325ULL;
  const auto add = [&hash](Bytes bytes) {
    for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    hash = (hash ^ 0xff) * 0x100000001b3ULL;
  };
  const TopologySpec& spec = topology.spec();
  add(HashName(spec.hash));
  add(DistributionName(spec.distribution));
  add(std::to_string(spec.virtual_nodes));
  add(spec.hash_tag);
  for (const std::string& rule : spec.together) add(rule);
  for (const ShardSpec& shard : spec.shards) {
    add(shard.name);
    add(shard.absent ? "absent" : std::to_string(shard.weight));
  }
  hash ^= hash >> 32;
  hash ^= hash >> 16;
  return static_cast<uint32_t>(hash & (kOfMove - 1));
}

uint32_t ScanTagOfMove(uint64_t epoch) {
  return kOfMove | static_cast<uint32_t>(epoch % (kOfMove - 1));
}

ScanCursor ScanCursor::Decode(uint64_t cursor, uint32_t tag, size_t shards) {
  if (cursor >> kBits != 0 || (cursor & kRestart) != tag) return {};
  const uint64_t place = cursor >> kTagBits;
  const int bits = ShardBits(shards);
  const uint64_t shard = place & ((uint64_t{1} << bits) - 1);
  if (shard >= shards) return {};
  return {.shard = static_cast<uint32_t>(shard), .inner = place >> bits};
}

std::optional<uint64_t> ParseScanCursor(Bytes text) {
  const std::string copy(text);
  if (std::isspace(static_cast<unsigned char>(copy[0])) != 0) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const uint64_t cursor = std::strtoull(copy.c_str(), &end, 10);
  if (*end != '\0' || errno == ERANGE) return std::nullopt;
  return cursor;
}

}  // namespace ringmaster
