// Digests as Redis writes them, by OpenSSL (FIPS 180-4). Any thread.
#pragma once

#include <string>

#include "base/bytes.h"

namespace ringmaster {

// 40 lower case hexadecimal digits: how SCRIPT LOAD names a script.
std::string Sha1Hex(Bytes text);

// 64 lower case hexadecimal digits: how the ACL keeps a password.
std::string Sha256Hex(Bytes text);

// Whether `text` looks like what Sha256Hex returns.
bool IsSha256Hex(Bytes text);

}  // namespace ringmaster
