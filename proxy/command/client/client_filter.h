// Which clients CLIENT LIST and CLIENT KILL mean: the options of Redis 8 and Valkey 9, whichever
// servers the shards are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace ringmaster {

class AccessControl;
class ClientView;

// A value that every worker may read. Without conditions it lets every client through.
class ClientFilter {
 public:
  // Who reads the options, where servers have different words for what is wrong.
  enum class Dialect : uint8_t { kRedisList, kRedisKill, kValkey };

  static ClientFilter OfId(uint64_t id);
  static ClientFilter OfAddress(Bytes address);
  // Adds the conditions of `options`, the words behind the subcommand. Of one that is there twice
  // the last holds. Empty: fine; otherwise the error reply.
  std::string Read(std::span<const Bytes> options, const AccessControl& access, Dialect dialect);

  // SKIPME's value; nullopt: it was not given.
  std::optional<bool> skip_me() const { return skip_me_; }
  void Except(uint64_t id) { except_ = id; }
  // On the client's worker.
  bool Matches(ClientView& client, TimePoint now) const;

 private:
  enum class What : uint8_t {
    kId,
    kMaxAge,
    kIdle,
    kType,
    kAddress,
    kLocalAddress,
    kIp,
    kUser,
    kName,
    kLibraryName,
    kLibraryVersion,
    kDatabase,
    kFlags,
    kCapabilities,
  };
  struct Option;
  struct Condition {
    What what;
    bool negated = false;
    std::string text = {};
    int64_t number = 0;
    std::vector<uint64_t> ids = {};
  };

  static const Option* Find(Bytes name, bool& negated);
  static std::string ReadIds(std::span<const Bytes> words, size_t& used, Dialect dialect,
                             std::vector<uint64_t>& ids);
  static std::string ReadValue(Bytes value, const AccessControl& access, const Option& option,
                               Condition& condition);
  static bool Holds(const Condition& condition, ClientView& client, TimePoint now);
  void Add(Condition condition);

  std::vector<Condition> conditions_;
  std::optional<bool> skip_me_;
  std::optional<uint64_t> except_;
};

}  // namespace ringmaster
