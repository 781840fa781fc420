// How many descriptors the process may have. Clients, connections to shards, files and the admin
// listener share them, so those that could take any number leave some to the others.
#pragma once

#include <cstddef>

namespace ringmaster {

// Raises the limit to the most that the process may give itself.
void RaiseDescriptorLimit();
// As it is now (RLIMIT_NOFILE). Any thread.
size_t DescriptorLimit();
// Of these, how many clients leave to everything else.
size_t KeptDescriptors();
// Whether a descriptor that is opened now leaves `kept` numbers above it. The lowest free number is
// what tells, for all threads together. Any thread.
bool DescriptorsLeft(size_t kept);

}  // namespace ringmaster
