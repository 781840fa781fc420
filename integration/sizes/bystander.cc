#include "sizes/bystander.h"

#include <fmt/format.h>

#include <optional>

#include "support/client.h"

namespace ringmaster::sizes {

using integration::Client;

void StandBy(const Address& address, const std::string& name, Duration patience,
             const std::atomic<bool>& stop, std::atomic<int64_t>& worst_us, Findings& findings) {
  std::optional<Client> client;
  for (uint64_t n = 0; !stop && !findings.any(); ++n) {
    const TimePoint began = MonotonicNow();
    if (!client || n % 10 == 0) client.emplace(address, patience);
    const std::string key = fmt::format("bystander:{}:{}", name, n % 7);
    const std::string value = std::to_string(n);
    std::string wrong;
    const auto ask = [&](const std::vector<std::string>& words, const std::string& expected) {
      const TimePoint sent = MonotonicNow();
      const std::string reply = client->Command(words);
      const Duration took = MonotonicNow() - sent;
      const auto took_us = std::chrono::duration_cast<std::chrono::microseconds>(took).count();
      if (took_us > worst_us) worst_us = took_us;
      if (wrong.empty() && reply != expected) {
        wrong = fmt::format("{} after {} ms: {}", words[0], took_us / 1000, reply.substr(0, 300));
      }
    };
    ask({"PING"}, "PONG");
    ask({"SET", key, value}, "OK");
    ask({"GET", key}, "\"" + value + "\"");
    if (!wrong.empty())
      findings.Add(fmt::format("a bystander of {} is not served: {}", name, wrong));
    while (!stop && !findings.any() && MonotonicNow() - began < std::chrono::milliseconds(20)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

}  // namespace ringmaster::sizes
