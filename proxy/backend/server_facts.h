// What a server says of itself when we connect: which program and version it is, and which life of
// it.
#pragma once

#include <string>

#include "base/bytes.h"

namespace ringmaster {

struct ServerFacts {
  std::string run_id;
  std::string redis_version;   // that it is compatible with, "7.2.4"
  std::string valkey_version;  // empty: it is no Valkey

  // "Redis 7.2.4" or "Valkey 8.1.1"; empty: not known.
  std::string program() const {
    if (!valkey_version.empty()) return "Valkey " + valkey_version;
    return redis_version.empty() ? "" : "Redis " + redis_version;
  }
  bool operator==(const ServerFacts&) const = default;
};

// From the text that INFO server answers; fields that it lacks stay empty.
ServerFacts ReadServerFacts(Bytes info);

// Whether version `a` is before `b`: numbers between dots, of which a missing one counts as 0.
bool IsEarlier(Bytes a, Bytes b);

}  // namespace ringmaster
