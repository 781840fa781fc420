#include "worker/client_limit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/descriptors.h"
#include "base/log.h"

namespace ringmaster {

uint32_t ClientLimit::possible() {
  const size_t limit = DescriptorLimit();
  return static_cast<uint32_t>(limit - std::min(limit, KeptDescriptors()));
}

void ClientLimit::Configure(uint32_t most) {
  Set(most);
  if (most <= possible()) return;
  LogWarning(
      "limits.clients is {}, but the process may have {} descriptors and keeps {} of them for "
      "shards, files and the admin pages: it takes {} clients at most; raise the limit of open "
      "files (ulimit -n, LimitNOFILE)",
      most, DescriptorLimit(), KeptDescriptors(), possible());
}

std::string ClientLimit::Refusal(size_t clients, int fd) const {
  if (clients >= most()) return fmt::format("limits.clients ({}) is reached", most());
  // The lowest free number says how many are in use.
  if (static_cast<size_t>(fd) + KeptDescriptors() < DescriptorLimit()) return "";
  return fmt::format(
      "of {} descriptors only those are left that shards, files and the admin pages may need; "
      "raise the limit of open files (ulimit -n)",
      DescriptorLimit());
}

}  // namespace ringmaster
