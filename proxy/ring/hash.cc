#include "ring/hash.h"

// The plain MD5 function, which OpenSSL 3 would rather not see used: EVP allocates for each digest,
// and refuses MD5 where FIPS rules are on; but this one only places keys.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>

#include <array>
#include <bit>
#include <cstring>
#include <random>
#include <utility>

// Inlines the short-key path into the lookup.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace ringmaster {
namespace {

constexpr std::pair<HashKind, Bytes> kNames[] = {
    {HashKind::kXxh3, "xxh3"},
    {HashKind::kMurmur, "murmur"},
    {HashKind::kCrc16, "crc16"},
    {HashKind::kCrc32, "crc32"},
    {HashKind::kCrc32a, "crc32a"},
    {HashKind::kMd5, "md5"},
    {HashKind::kFnv1_64, "fnv1_64"},
    {HashKind::kFnv1a_64, "fnv1a_64"},
    {HashKind::kFnv1_32, "fnv1_32"},
    {HashKind::kFnv1a_32, "fnv1a_32"},
    {HashKind::kHsieh, "hsieh"},
    {HashKind::kJenkins, "jenkins"},
    {HashKind::kOneAtATime, "one_at_a_time"},
};

constexpr uint32_t kFnv32Init = 0x811c9dc5U;
constexpr uint32_t kFnv32Prime = 0x01000193U;
constexpr uint64_t kFnv64Init = 0xcbf29ce484222325ULL;
constexpr uint64_t kFnv64Prime = 0x100000001b3ULL;

// twemproxy widens plain chars, which are signed on x86: bytes from 0x80 on carry ones upwards.
uint32_t Signed32(char c) { return static_cast<uint32_t>(static_cast<signed char>(c)); }
uint64_t Signed64(char c) { return static_cast<uint64_t>(static_cast<signed char>(c)); }

uint32_t Fnv1_32(Bytes key) {
  uint32_t hash = kFnv32Init;
  for (const char c : key) hash = (hash * kFnv32Prime) ^ Signed32(c);
  return hash;
}

uint32_t Fnv1a_32(Bytes key) {
  uint32_t hash = kFnv32Init;
  for (const char c : key) hash = (hash ^ Signed32(c)) * kFnv32Prime;
  return hash;
}

uint32_t Fnv1_64(Bytes key) {
  uint64_t hash = kFnv64Init;
  for (const char c : key) hash = (hash * kFnv64Prime) ^ Signed64(c);
  return static_cast<uint32_t>(hash);
}

// In 32 bits throughout, with the lower halves of the 64-bit constants.
uint32_t Fnv1a_64(Bytes key) {
  auto hash = static_cast<uint32_t>(kFnv64Init);
  for (const char c : key) hash = (hash ^ Signed32(c)) * static_cast<uint32_t>(kFnv64Prime);
  return hash;
}

constexpr std::array<uint32_t, 256> MakeCrc16Table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000U) != 0 ? ((crc << 1) ^ 0x1021U) & 0xffffU : (crc << 1) & 0xffffU;
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> MakeCrc32Table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xedb88320U : crc >> 1;
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrc16Table = MakeCrc16Table();
constexpr std::array<uint32_t, 256> kCrc32Table = MakeCrc32Table();

// Never cut to 16 bits: what is shifted out on the left stays in the result.
uint32_t Crc16(Bytes key) {
  uint32_t crc = 0;
  for (const char c : key) crc = (crc << 8) ^ kCrc16Table[((crc >> 8) ^ Signed32(c)) & 0xffU];
  return crc;
}

uint32_t Crc32a(Bytes key) {
  uint32_t crc = ~0U;
  for (const char c : key) crc = (crc >> 8) ^ kCrc32Table[(crc ^ Signed32(c)) & 0xffU];
  return ~crc;
}

// The 15 bits that libmemcached keeps.
uint32_t Crc32(Bytes key) { return (Crc32a(key) >> 16) & 0x7fffU; }

uint32_t Load32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

uint32_t Load16(const char* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

uint32_t Unsigned(char c) { return static_cast<unsigned char>(c); }

uint32_t Murmur(Bytes key) {
  constexpr uint32_t kMultiplier = 0x5bd1e995U;
  auto left = static_cast<uint32_t>(key.size());
  uint32_t hash = (0xdeadbeefU * left) ^ left;
  const char* at = key.data();
  for (; left >= 4; left -= 4, at += 4) {
    uint32_t word = Load32(at) * kMultiplier;
    word = (word ^ (word >> 24)) * kMultiplier;
    hash = (hash * kMultiplier) ^ word;
  }
  if (left >= 3) hash ^= Unsigned(at[2]) << 16;
  if (left >= 2) hash ^= Unsigned(at[1]) << 8;
  if (left >= 1) hash = (hash ^ Unsigned(at[0])) * kMultiplier;
  hash = (hash ^ (hash >> 13)) * kMultiplier;
  return hash ^ (hash >> 15);
}

uint32_t Hsieh(Bytes key) {
  uint32_t hash = 0;
  const char* at = key.data();
  for (size_t words = key.size() / 4; words > 0; --words, at += 4) {
    hash += Load16(at);
    hash = (hash << 16) ^ ((Load16(at + 2) << 11) ^ hash);
    hash += hash >> 11;
  }
  switch (key.size() & 3) {
    case 3:
      hash += Load16(at);
      hash ^= hash << 16;
      hash ^= Signed32(at[2]) << 18;
      hash += hash >> 11;
      break;
    case 2:
      hash += Load16(at);
      hash ^= hash << 11;
      hash += hash >> 17;
      break;
    case 1:
      hash += Unsigned(at[0]);
      hash ^= hash << 10;
      hash += hash >> 1;
      break;
    default:
      break;
  }
  hash ^= hash << 3;
  hash += hash >> 5;
  hash ^= hash << 4;
  hash += hash >> 17;
  hash ^= hash << 25;
  return hash + (hash >> 6);
}

void JenkinsMix(uint32_t& a, uint32_t& b, uint32_t& c) {
  a = (a - c) ^ std::rotl(c, 4);
  c += b;
  b = (b - a) ^ std::rotl(a, 6);
  a += c;
  c = (c - b) ^ std::rotl(b, 8);
  b += a;
  a = (a - c) ^ std::rotl(c, 16);
  c += b;
  b = (b - a) ^ std::rotl(a, 19);
  a += c;
  c = (c - b) ^ std::rotl(b, 4);
  b += a;
}

void JenkinsFinal(uint32_t& a, uint32_t& b, uint32_t& c) {
  c = (c ^ b) - std::rotl(b, 14);
  a = (a ^ c) - std::rotl(c, 11);
  b = (b ^ a) - std::rotl(a, 25);
  c = (c ^ b) - std::rotl(b, 16);
  a = (a ^ c) - std::rotl(c, 4);
  b = (b ^ a) - std::rotl(a, 14);
  c = (c ^ b) - std::rotl(b, 24);
}

uint32_t Jenkins(Bytes key) {
  uint32_t a = 0xdeadbeefU + static_cast<uint32_t>(key.size()) + 13;
  uint32_t b = a;
  uint32_t c = a;
  while (key.size() > 12) {
    a += Load32(key.data());
    b += Load32(key.data() + 4);
    c += Load32(key.data() + 8);
    JenkinsMix(a, b, c);
    key.remove_prefix(12);
  }
  if (key.empty()) return c;
  // The last block as if zeros followed it.
  char block[12] = {};
  std::memcpy(block, key.data(), key.size());
  a += Load32(block);
  b += Load32(block + 4);
  c += Load32(block + 8);
  JenkinsFinal(a, b, c);
  return c;
}

uint32_t OneAtATime(Bytes key) {
  uint32_t hash = 0;
  for (const char c : key) {
    hash += Signed32(c);
    hash += hash << 10;
    hash ^= hash >> 6;
  }
  hash += hash << 3;
  hash ^= hash >> 11;
  return hash + (hash << 15);
}

}  // namespace

Bytes HashName(HashKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "";
}

std::optional<HashKind> ParseHashKind(Bytes name) {
  for (const auto& [kind, known] : kNames) {
    if (known == name) return kind;
  }
  return std::nullopt;
}

std::array<uint32_t, 4> Md5Words(Bytes text) noexcept {
  unsigned char digest[MD5_DIGEST_LENGTH];
  MD5(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::array<uint32_t, 4> words;
  std::memcpy(words.data(), digest, sizeof(digest));
  return words;
}

uint64_t Hash(HashKind kind, Bytes key) noexcept {
  switch (kind) {
    case HashKind::kXxh3:
      return XXH3_64bits(key.data(), key.size());
    case HashKind::kMurmur:
      return Murmur(key);
    case HashKind::kCrc16:
      return Crc16(key);
    case HashKind::kCrc32:
      return Crc32(key);
    case HashKind::kCrc32a:
      return Crc32a(key);
    case HashKind::kMd5:
      return Md5Words(key)[0];
    case HashKind::kFnv1_64:
      return Fnv1_64(key);
    case HashKind::kFnv1a_64:
      return Fnv1a_64(key);
    case HashKind::kFnv1_32:
      return Fnv1_32(key);
    case HashKind::kFnv1a_32:
      return Fnv1a_32(key);
    case HashKind::kHsieh:
      return Hsieh(key);
    case HashKind::kJenkins:
      return Jenkins(key);
    case HashKind::kOneAtATime:
      return OneAtATime(key);
  }
  return 0;
}

Hash128 KeyedHash128(Bytes text) {
  static const std::array<unsigned char, XXH3_SECRET_SIZE_MIN* 2> kSecret = [] {
    std::array<unsigned char, XXH3_SECRET_SIZE_MIN * 2> secret{};
    std::random_device random;
    for (unsigned char& byte : secret) byte = static_cast<unsigned char>(random());
    return secret;
  }();
  const XXH128_hash_t hash =
      XXH3_128bits_withSecret(text.data(), text.size(), kSecret.data(), kSecret.size());
  return {hash.low64, hash.high64};
}

}  // namespace ringmaster
