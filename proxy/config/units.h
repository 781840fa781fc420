// Durations and sizes as people write them in the configuration: "100ms", "64mb".
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"

namespace ringmaster {

// A whole number and a unit: us, ms, s, m, h or d. A number without a unit is an error, because
// nobody could say what it means; at most 365 days.
Result<Duration> ParseDuration(Bytes text);
// The shortest text that ParseDuration reads as `duration`, which is a multiple of 1us: "0s",
// "90s".
std::string FormatDuration(Duration duration);

// A whole number of bytes, with Redis's units in upper or lower case: b, k and kb, m and mb, g and
// gb, where k is 1000 and kb is 1024.
Result<uint64_t> ParseSize(Bytes text);
// The shortest text in kb, mb, gb or plain bytes that ParseSize reads as `bytes`.
std::string FormatSize(uint64_t bytes);

}  // namespace ringmaster
