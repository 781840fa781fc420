#include "base/sha.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace ringmaster {
namespace {

std::string DigestHex(Bytes text, const EVP_MD* kind) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  RM_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, kind, nullptr) == 1);
  return fmt::format("{:02x}", fmt::join(digest.data(), digest.data() + size, ""));
}

}  // namespace

std::string Sha1Hex(Bytes text) { return DigestHex(text, EVP_sha1()); }

std::string Sha256Hex(Bytes text) { return DigestHex(text, EVP_sha256()); }

bool IsSha256Hex(Bytes text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

}  // namespace ringmaster
