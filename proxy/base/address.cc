#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>

namespace ringmaster {
namespace {

constexpr size_t kMaxSocketPath = 107;  // sun_path holds 108 bytes with the zero behind it
constexpr size_t kMaxHost = 253;        // RFC 1035 with the dots

bool IsNumber(int family, Bytes host) {
  unsigned char parsed[sizeof(in6_addr)];
  return inet_pton(family, std::string(host).c_str(), parsed) == 1;
}

// What is wrong with the path of a Unix socket, or nullptr.
const char* WrongWithPath(Bytes path) {
  if (path.size() > kMaxSocketPath)
    return "the path is longer than the 107 bytes a socket may have";
  if (path.size() < 2) return "the path names no file";
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return "the path holds a control character";
    }
  }
  return nullptr;
}

const char* WrongWithHost(Bytes host, bool in_brackets) {
  if (in_brackets) {
    const Bytes number = host.substr(0, host.find('%'));  // fe80::1%eth0
    return IsNumber(AF_INET6, number) ? nullptr : "no IPv6 address stands between the brackets";
  }
  if (host.empty()) return "the host is missing";
  if (host.find(':') != Bytes::npos)
    return "it has too many colons, and an IPv6 host takes brackets";
  if (host.size() > kMaxHost) return "the host name is too long";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto belongs = [&](char c) {
    return is_digit(c) || (ToLower(c) >= 'a' && ToLower(c) <= 'z') || c == '.' || c == '-' ||
           c == '_';
  };
  if (!std::all_of(host.begin(), host.end(), belongs)) {
    return "the host has a character that no host name has";
  }
  const bool numeric =
      std::all_of(host.begin(), host.end(), [&](char c) { return is_digit(c) || c == '.'; });
  if (numeric && !IsNumber(AF_INET, host)) return "the host is no IPv4 address";
  return nullptr;
}

}  // namespace

std::string Address::ToString() const {
  if (kind == kUnix) return path;
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> ParseAddress(Bytes text) {
  const auto bad = [text](const char* why) {
    return Error{ErrorCode::kInvalid, "'" + Printable(text) + "' is no address: " + why +
                                          "; use host:port, [v6]:port or /path/of.sock"};
  };
  Address address;
  Bytes rest = text;
  const bool says_unix = rest.starts_with("unix:");
  if (says_unix) rest.remove_prefix(5);
  if (says_unix || rest.starts_with("/")) {
    if (!rest.starts_with("/")) return bad("the path of a Unix socket starts with /");
    if (const char* wrong = WrongWithPath(rest)) return bad(wrong);
    address.kind = Address::kUnix;
    address.path = std::string(rest);
    return address;
  }
  if (rest.starts_with("redis://")) rest.remove_prefix(8);
  if (rest.find('@') != Bytes::npos) return bad("user and password do not belong in it");
  const size_t colon = rest.rfind(':');
  if (colon == Bytes::npos || rest.ends_with("]")) return bad("the port is missing");
  Bytes host = rest.substr(0, colon);
  const bool in_brackets = host.size() >= 2 && host.starts_with("[") && host.ends_with("]");
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (const char* wrong = WrongWithHost(host, in_brackets)) return bad(wrong);
  const auto port = ParseInteger(rest.substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) return bad("the port is not within 1 to 65535");
  address.host = std::string(host);
  address.port = static_cast<uint16_t>(*port);
  return address;
}

}  // namespace ringmaster
