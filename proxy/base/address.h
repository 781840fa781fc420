// Where something listens or can be reached: TCP (IPv4, IPv6 or a host name) or a Unix socket.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringmaster {

struct Address {
  enum Kind : uint8_t { kTcp, kUnix };

  Kind kind = kTcp;
  std::string host;  // kTcp: name or number, without brackets
  uint16_t port = 0;
  std::string path;  // kUnix

  // As ParseAddress reads it: "host:port", "[v6]:port" or the path.
  std::string ToString() const;
  bool operator==(const Address&) const = default;
};

// "127.0.0.1:7001", "[::1]:7001", "name:7001", "redis://name:7001", "/path/to.sock", "unix:/path".
// Nothing is resolved.
Result<Address> ParseAddress(Bytes text);

}  // namespace ringmaster
