// The number in a header line ("*3\r\n", "$512\r\n"): the way that nearly all of them take, inlined
// into parser and scanner.
#pragma once

#include <cstdint>

namespace ringmaster {

// Reads the number that starts at `at` when it is plain: one to nine digits without a leading zero,
// then '\r' and one byte more before `end`. Sets *behind to what follows the line. -1 when it is
// not that simple: incomplete, negative, huge or wrong.
inline int64_t PlainHeaderNumber(const char* at, const char* end, const char** behind) {
  if (end - at < 3) return -1;
  uint32_t value = static_cast<unsigned char>(*at) - uint32_t{'0'};
  if (value > 9) return -1;
  ++at;
  if (*at != '\r') {
    if (value == 0) return -1;
    const char* limit = end - at > 9 ? at + 9 : end - 1;
    do {
      const uint32_t digit = static_cast<unsigned char>(*at) - uint32_t{'0'};
      if (digit > 9) return -1;
      value = value * 10 + digit;
      if (++at >= limit) return -1;
    } while (*at != '\r');
  }
  *behind = at + 2;
  return value;
}

}  // namespace ringmaster
