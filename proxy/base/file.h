// Reading files that somebody else names: never waits for a pipe or a terminal, and never reads
// without a bound.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace ringmaster {

// The content of a file; one byte more than `max` at most, so that who calls sees what is too
// large. Anything but a regular file is an error; its text is the reason alone. Blocks as disks do:
// not on a loop.
Result<std::string> ReadRegularFile(const std::string& path, size_t max);

// The same of a file in `folder`. `name` is its name alone, or a path that leads there. A link may
// lead elsewhere in the folder, not out of it. Errors do not tell what is outside.
Result<std::string> ReadFileIn(const std::string& folder, const std::string& name, size_t max);

}  // namespace ringmaster
