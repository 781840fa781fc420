#include "sizes/values.h"

#include <cmath>
#include <cstring>

namespace ringmaster::sizes {
namespace {

// What values are cut from; longer than the largest by as much as their beginnings may differ.
constexpr size_t kSlack = 1 << 20;

std::string MakePool() {
  std::string pool(kLargest + kSlack, '\0');
  Random random(20);
  for (size_t at = 0; at + 8 <= pool.size(); at += 8) {
    const uint64_t bits = random.Next();
    std::memcpy(pool.data() + at, &bits, 8);
  }
  // What a parser that lost its place would take for a reply.
  static constexpr char kTraps[] = "\r\n$5\r\nhello\r\n*3\r\n+OK\r\n-ERR no\r\n:1\r\n";
  for (size_t at = 0; at + sizeof(kTraps) < pool.size(); at += 1 + random.Below(60000)) {
    std::memcpy(pool.data() + at, kTraps, sizeof(kTraps) - 1);
  }
  return pool;
}

uint64_t MemberSeed(uint64_t client, uint64_t n) { return client * 1000003 + n * 7919 + 5; }

}  // namespace

size_t LogUniform(Random& random, size_t largest) {
  const double range = std::log(static_cast<double>(largest) + 1.0);
  const auto drawn = static_cast<size_t>(std::exp(random.Fraction() * range)) - 1;
  return drawn < largest ? drawn : largest;
}

std::string Noise(uint64_t seed, size_t size) {
  static const std::string pool = MakePool();
  return pool.substr(Random(seed).Below(kSlack), size);
}

size_t MemberSize(uint64_t client, uint64_t n) {
  Random random(MemberSeed(client, n));
  // Most are such as people have.
  return LogUniform(random, n % 8 == 0 ? kLargest : 300);
}

std::string Member(uint64_t client, uint64_t n) {
  return Noise(MemberSeed(client, n) + 1, MemberSize(client, n));
}

}  // namespace ringmaster::sizes
