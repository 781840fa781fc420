#include "sizes/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "support/resp_text.h"

namespace ringmaster::sizes {
namespace {

using integration::ReplyLength;

struct Aggregate {
  char type = 0;
  std::vector<Bytes> elements;  // for a map: keys and values in turn
};

// Empty when the reply is none.
Aggregate Take(Bytes reply) {
  Aggregate aggregate;
  if (reply.empty() || Bytes("*~%>").find(reply[0]) == Bytes::npos) return aggregate;
  aggregate.type = reply[0];
  size_t at = reply.find("\r\n") + 2;
  while (at < reply.size()) {
    const size_t length = ReplyLength(reply.substr(at));
    if (length == 0 || length == std::string::npos) break;
    aggregate.elements.push_back(reply.substr(at, length));
    at += length;
  }
  return aggregate;
}

// PFCOUNT keeps what it counted inside of the value: not in a copy, beside which it may run.
bool SameButForTheCachedCount(Bytes expected, Bytes actual) {
  constexpr size_t kCount = 8, kAfterCount = 16;  // in a HyperLogLog's header
  const size_t at = expected.find("HYLL");
  if (expected.size() != actual.size() || expected.size() < at + kAfterCount) return false;
  return expected.substr(0, at + kCount) == actual.substr(0, at + kCount) &&
         expected.substr(at + kAfterCount) == actual.substr(at + kAfterCount);
}

bool Same(Order order, Bytes expected, Bytes actual) {
  if (expected == actual) return true;
  if (IsHyperLogLog(expected)) return SameButForTheCachedCount(expected, actual);
  if (order == Order::kExact) return false;
  Aggregate one = Take(expected);
  Aggregate other = Take(actual);
  if (one.type == 0 || one.type != other.type) return false;
  if (one.elements.size() != other.elements.size()) return false;
  if (order == Order::kAnyOrder) {
    std::sort(one.elements.begin(), one.elements.end());
    std::sort(other.elements.begin(), other.elements.end());
    return one.elements == other.elements;
  }
  const auto pairs = [](const Aggregate& aggregate) {
    std::vector<std::pair<Bytes, Bytes>> sorted;
    for (size_t i = 0; i + 1 < aggregate.elements.size(); i += 2) {
      sorted.emplace_back(aggregate.elements[i], aggregate.elements[i + 1]);
    }
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  };
  return pairs(one) == pairs(other);
}

}  // namespace

bool IsHyperLogLog(Bytes reply) {
  const size_t head = reply.find('\n');
  return reply.starts_with('$') && head != Bytes::npos &&
         reply.substr(head + 1).starts_with("HYLL");
}

bool SameReply(const Command& command, Bytes expected, Bytes actual) {
  if (command.parts.empty()) return Same(command.order, expected, actual);
  if (expected == actual) return true;
  const Aggregate one = Take(expected);
  const Aggregate other = Take(actual);
  if (one.type != other.type || one.elements.size() != other.elements.size()) return false;
  if (one.elements.size() != command.parts.size()) return false;
  for (size_t i = 0; i < one.elements.size(); ++i) {
    if (!Same(command.parts[i], one.elements[i], other.elements[i])) return false;
  }
  return true;
}

std::string ShortReply(Bytes reply) {
  const size_t shown = !reply.empty() && reply[0] == '-' ? 300 : 120;
  return fmt::format("{} ({} bytes)", integration::Quoted(reply.substr(0, shown)), reply.size());
}

}  // namespace ringmaster::sizes
