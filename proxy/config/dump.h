// Writes a Config back as YAML with every effective value: what configurations are compared by.
#pragma once

#include <string>

#include "config/config.h"

namespace ringmaster {

enum class Secrets { kRedacted, kShown };

// With kShown, ParseConfig gives an equal Config, as far as its texts are UTF-8: a byte that is not
// becomes U+FFFD, since YAML has no way to write it. With kRedacted, passwords and their digests
// read "<redacted>". Durations are kept down to a microsecond.
std::string DumpConfig(const Config& config, Secrets secrets = Secrets::kRedacted);

}  // namespace ringmaster
