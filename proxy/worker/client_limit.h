// How many clients the process takes: limits.clients, or what CONFIG SET maxclients made of it, and
// never more than it has descriptors for. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ringmaster {

class ClientLimit {
 public:
  ClientLimit() = default;
  ClientLimit(const ClientLimit&) = delete;
  ClientLimit& operator=(const ClientLimit&) = delete;

  uint32_t most() const { return most_.load(std::memory_order_relaxed); }
  void Set(uint32_t most) { most_.store(most, std::memory_order_relaxed); }
  // limits.clients, at start and with each reload; the log tells when it cannot be reached.
  void Configure(uint32_t most);
  // How many clients the process has descriptors for.
  static uint32_t possible();
  // Why a client that came as descriptor `fd` beside `clients` others cannot stay; empty: it can.
  std::string Refusal(size_t clients, int fd) const;

 private:
  std::atomic<uint32_t> most_{0};
};

}  // namespace ringmaster
