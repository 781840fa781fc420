// SHA-256 (FIPS 180-4), for passwords that are kept as Redis's ACL keeps them.
#pragma once

#include <string>

#include "base/bytes.h"

namespace ringmaster {

// The digest of `text` as 64 lower case hexadecimal digits.
std::string Sha256Hex(Bytes text);

// Whether `text` looks like what Sha256Hex returns.
bool IsSha256Hex(Bytes text);

}  // namespace ringmaster
