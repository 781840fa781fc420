#include "histories/replies.h"

#include <cstdlib>

#include "base/clock.h"

namespace ringmaster::histories {

int64_t Nanoseconds() { return MonotonicNow().time_since_epoch().count(); }

bool Refused(const std::string& reply) {
  for (const char* word : {"NOTAPPLIED", "LOADING", "OOM", "MISCONF", "EXECABORT", "BUSY "}) {
    if (reply.starts_with(std::string("(error) ") + word)) return true;
  }
  return false;
}

int64_t Number(const std::string& reply) {
  const size_t digits = reply.find_first_of("-0123456789");
  return digits == std::string::npos ? 0 : std::strtoll(reply.c_str() + digits, nullptr, 10);
}

std::vector<uint32_t> Numbers(const std::string& reply) {
  std::vector<uint32_t> numbers;
  for (size_t at = 0; at < reply.size(); ++at) {
    if (reply[at] < '0' || reply[at] > '9') continue;
    char* end = nullptr;
    numbers.push_back(static_cast<uint32_t>(std::strtoul(reply.c_str() + at, &end, 10)));
    at = static_cast<size_t>(end - reply.c_str());
  }
  return numbers;
}

std::vector<std::string> Strings(const std::string& reply) {
  std::vector<std::string> strings;
  for (size_t at = reply.find('"'); at != std::string::npos; at = reply.find('"', at + 1)) {
    const size_t end = reply.find('"', at + 1);
    strings.push_back(reply.substr(at + 1, end - at - 1));
    at = end;
  }
  return strings;
}

std::string Key(const char* kind, uint32_t number) { return kind + std::to_string(number); }

}  // namespace ringmaster::histories
