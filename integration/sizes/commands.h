// Draws what a client sends: commands of every family on few keys, alone, in transactions, inline;
// repeatable by its seed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"

namespace ringmaster::sizes {

// What of a reply Redis leaves open.
enum class Order : uint8_t {
  kExact,
  kAnyOrder,  // of its elements
  kAnyPairs,  // of its pairs: HGETALL
};

struct Command {
  std::string bytes;  // as it is sent
  std::string text;   // for people: its words, long ones cut
  Order order = Order::kExact;
  bool grows = false;  // may make more data than its own bytes
  // EXEC: of what was queued.
  std::vector<Order> parts = {};
};

class Commands {
 public:
  // `client` and `generation` are part of every key's name: nobody else touches them.
  Commands(uint64_t seed, uint64_t client, uint64_t generation);

  // A command, or a transaction from MULTI to EXEC. No value is larger than `largest`, and together
  // they are not much larger than `room`, in bytes.
  std::vector<Command> Next(size_t largest, size_t room);
  // Large values on many keys, written and then read again and again in one go, as who fills a page
  // does.
  std::vector<Command> ReadsOfLargeValues(size_t room);
  // Only commands that change nothing.
  void set_read_only(bool on) { read_only_ = on; }
  // Only commands of one key, and no transactions: none that is more than one question to one
  // shard.
  void set_one_key(bool on) { one_key_ = on; }

  const std::vector<std::string>& keys() const { return keys_; }
  // The n-th key of a family: one of "string", "hash", "list", "set", "zset", "stream".
  const std::string& Key(const std::string& family, size_t n) const;
  std::string NextId();  // of a stream's entry: later than all before
  Random& random() { return random_; }

 private:
  struct Rule;
  static const std::vector<Rule>& Rules();
  Command Draw(size_t largest);
  void Expand(const std::string& word, size_t largest, std::vector<std::string>& words);
  std::string Word(const std::string& kind, size_t largest);
  std::string DrawMember(size_t largest);
  std::string Number(int64_t low, int64_t high);

  Random random_;
  const uint64_t client_;
  bool read_only_ = false;
  bool one_key_ = false;
  bool one_key_each_ = false;  // of each family: a transaction of one shard, or nearly
  std::vector<std::string> keys_;
  uint64_t last_id_ = 0;
};

}  // namespace ringmaster::sizes
