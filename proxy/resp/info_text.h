// One field of the text that Redis's INFO answers.
#pragma once

#include "base/bytes.h"

namespace ringmaster {

// The value behind "name:" at the beginning of a line; empty: there is none.
inline Bytes FieldOfInfo(Bytes info, Bytes name) {
  for (size_t at = info.find(name); at != Bytes::npos; at = info.find(name, at + 1)) {
    const size_t value = at + name.size();
    const bool whole = (at == 0 || info[at - 1] == '\n') && value < info.size();
    if (!whole || info[value] != ':') continue;
    return info.substr(value + 1, info.find_first_of("\r\n", value) - value - 1);
  }
  return {};
}

}  // namespace ringmaster
