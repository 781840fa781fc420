// What one run of the load generator does: the flags of load.cc, already checked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster::bench {

struct Plan {
  std::string host = "127.0.0.1";  // a number within 127.0.0.0/8
  uint16_t port = 0;
  uint32_t clients = 50;
  uint32_t busy_every = 1;   // of so many clients only the first says anything
  uint32_t pipeline = 1;     // commands that a client sends at once; then it waits for all replies
  uint32_t value_size = 32;  // at least kDigits
  std::string prefix = "key:";  // of each key, in front of its digits
  uint32_t keys = 10000;        // numbered 00000000 up to keys - 1
  uint32_t multi = 0;           // 0: GET and SET; otherwise MGET and MSET with so many keys
  double sets = 0.5;            // share of writes
  double rate = 0;      // commands a second and client on a timetable; 0: as fast as it goes
  double seconds = 2;   // measured time
  double warmup = 0.3;  // the same load, before the clock starts
  bool start_on_signal = false;  // SIGUSR1 starts it before that
  uint64_t max_requests = 200'000'000;
  uint64_t seed = 1;
  bool preload = false;          // write every key first
  std::vector<pid_t> processes;  // whose CPU time to take over the measured time
};

// Digits in a key, and again at the head of each value, so that a reply tells whose it is.
inline constexpr uint32_t kDigits = 8;

}  // namespace ringmaster::bench
