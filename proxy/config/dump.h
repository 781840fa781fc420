// Writes a Config back as YAML with every effective value: for --test-config and PROXY INFO.
#pragma once

#include <string>

#include "config/config.h"

namespace ringmaster {

enum class Secrets { kRedacted, kShown };

// With kShown, ParseConfig gives an equal Config. With kRedacted, passwords and their digests read
// "<redacted>". Durations are kept down to a microsecond.
std::string DumpConfig(const Config& config, Secrets secrets = Secrets::kRedacted);

}  // namespace ringmaster
