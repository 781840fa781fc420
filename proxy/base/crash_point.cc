#include "base/crash_point.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>

namespace ringmaster {
namespace {

struct Armed {
  std::string name;
  long passes = 1;
};

Armed ReadEnvironment() {
  const char* text = std::getenv("RINGMASTER_CRASH_AT");
  if (text == nullptr || *text == '\0') return {};
  Armed armed{text, 1};
  const size_t colon = armed.name.rfind(':');
  if (colon == std::string::npos) return armed;
  armed.passes = std::strtol(armed.name.c_str() + colon + 1, nullptr, 10);
  armed.name.resize(colon);
  return armed;
}

// Made when the program starts, before there are threads.
const Armed armed_point = ReadEnvironment();

}  // namespace

const bool crash_points_armed = !armed_point.name.empty();

void PassCrashPoint(const char* name, size_t number) {
  static std::atomic<long> passed{0};
  std::string full = name;
  if (number != kNoNumber) full += "-" + std::to_string(number);
  if (armed_point.name != full) return;
  if (++passed != armed_point.passes) return;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

}  // namespace ringmaster
