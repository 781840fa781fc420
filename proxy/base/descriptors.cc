#include "base/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace ringmaster {

void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

size_t DescriptorLimit() {
  rlimit limit{};
  const bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return known ? static_cast<size_t>(limit.rlim_cur) : std::numeric_limits<int>::max();
}

size_t KeptDescriptors() { return std::clamp<size_t>(DescriptorLimit() / 8, 32, 2048); }

bool DescriptorsLeft(size_t kept) {
  const int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (lowest < 0) return false;
  close(lowest);
  return static_cast<size_t>(lowest) + kept < DescriptorLimit();
}

}  // namespace ringmaster
