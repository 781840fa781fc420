// Key hash functions. All but xxh3 give bit for bit what twemproxy's functions of the same name
// give on x86-64, its departures from the published algorithms included, so that keys stay where
// twemproxy put them. Sources: Fowler, Noll and Vo's FNV; the CRC-16 of XMODEM and the CRC-32 of
// IEEE 802.3; Appleby's MurmurHash2; Hsieh's SuperFastHash; Jenkins's lookup3 and one-at-a-time;
// RFC 1321.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace ringmaster {

enum class HashKind : uint8_t {
  kXxh3,
  kMurmur,
  kCrc16,
  kCrc32,
  kCrc32a,
  kMd5,
  kFnv1_64,
  kFnv1a_64,
  kFnv1_32,
  kFnv1a_32,
  kHsieh,
  kJenkins,
  kOneAtATime,
};

// The names of the configuration.
Bytes HashName(HashKind kind);
std::optional<HashKind> ParseHashKind(Bytes name);

// 64 bits for xxh3, 32 for the others.
uint64_t Hash(HashKind kind, Bytes key) noexcept;
// The MD5 digest as four little-endian words: what ketama makes its points of.
std::array<uint32_t, 4> Md5Words(Bytes text) noexcept;

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};
// Under a random secret of this process: nobody outside can find two keys that look alike.
Hash128 KeyedHash128(Bytes text);

}  // namespace ringmaster
