// A free loopback TCP port that nobody else is given while the object lives: its socket is bound
// and never listens, so that the server under test may bind it too, stop and start again.
#pragma once

#include <cstdint>

namespace ringmaster::integration {

class Port {
 public:
  explicit Port(bool ipv6 = false);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  uint16_t number() const { return number_; }

 private:
  int fd_;
  uint16_t number_;
};

}  // namespace ringmaster::integration
