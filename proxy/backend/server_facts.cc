#include "backend/server_facts.h"

#include <cstdint>

#include "resp/info_text.h"

namespace ringmaster {
namespace {

// Takes the number in front of the next dot.
uint64_t TakeNumber(Bytes& version) {
  uint64_t number = 0;
  size_t at = 0;
  for (; at < version.size() && version[at] >= '0' && version[at] <= '9' && number < 1000000;
       ++at) {
    number = number * 10 + static_cast<uint64_t>(version[at] - '0');
  }
  const size_t dot = version.find('.', at);
  version = dot == Bytes::npos ? Bytes() : version.substr(dot + 1);
  return number;
}

}  // namespace

ServerFacts ReadServerFacts(Bytes info) {
  return {.run_id = std::string(FieldOfInfo(info, "run_id")),
          .redis_version = std::string(FieldOfInfo(info, "redis_version")),
          .valkey_version = std::string(FieldOfInfo(info, "valkey_version"))};
}

bool IsEarlier(Bytes a, Bytes b) {
  while (!a.empty() || !b.empty()) {
    const uint64_t left = TakeNumber(a);
    const uint64_t right = TakeNumber(b);
    if (left != right) return left < right;
  }
  return false;
}

}  // namespace ringmaster
