#include "move/ring_mark.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/sha.h"

namespace ringmaster {
namespace {

constexpr size_t kDigest = 16;
constexpr Bytes kOurs = "rm:";

std::vector<Bytes> Split(Bytes text, char by) {
  std::vector<Bytes> words;
  while (true) {
    const size_t end = text.find(by);
    words.push_back(text.substr(0, end));
    if (end == Bytes::npos) return words;
    text.remove_prefix(end + 1);
  }
}

// "name=" and the like in a line of CLIENT LIST.
Bytes Field(Bytes line, Bytes name) {
  const std::string wanted = " " + std::string(name) + "=";
  const size_t at = line.find(wanted);
  if (at == Bytes::npos) return {};
  const Bytes value = line.substr(at + wanted.size());
  return value.substr(0, value.find(' '));
}

// Another proxy that is connected right now, or another pool of this one; empty: none.
std::string OtherConnected(ShardClient& shard, const RingMark& mine) {
  const ShardReply list = shard.Ask({"CLIENT", "LIST"});
  if (!list.is_text()) {
    return "shard " + shard.target().name + ": moves need CLIENT LIST, and it said " +
           (list.lost() ? shard.error() : std::string(list.text()));
  }
  for (const Bytes line : Split(list.text(), '\n')) {
    const Bytes name = Field(line, "name");
    if (!name.starts_with(kOurs)) continue;
    // rm:<identity>:<incarnation>:<what>[:<pool>]
    const std::vector<Bytes> parts = Split(name, ':');
    if (parts.size() < 4) continue;
    if (parts[1] != mine.identity) {
      return fmt::format(
          "another Ringmaster (rm:{}, connected from {}) works with shard {} and would not follow "
          "keys that move: stop it, and start it again with the new ring when they have moved",
          parts[1], Field(line, "addr"), shard.target().name);
    }
    if (parts.size() == 5 && parts[3] == RingMark::kWorker.substr(0, parts[3].size()) &&
        parts[4] != ConnectionWord(mine.pool)) {
      return fmt::format(
          "shard {} also belongs to pool '{}', which would not follow keys that move",
          shard.target().name, parts[4]);
    }
  }
  return "";
}

}  // namespace

std::string RingMark::Text() const {
  return fmt::format("2 {} {} {} {} {} {}", identity, ConnectionWord(pool), epoch, ring,
                     next.empty() ? "-" : next, shard.empty() ? "-" : ConnectionWord(shard));
}

std::optional<RingMark> RingMark::Parse(Bytes text) {
  const std::vector<Bytes> words = Split(text, ' ');
  const bool names_shard = words.size() == 7 && words[0] == "2";
  if (!names_shard && (words.size() != 6 || words[0] != "1")) return std::nullopt;
  const std::optional<int64_t> epoch = ParseInteger(words[3]);
  if (!epoch || *epoch < 0) return std::nullopt;
  RingMark mark{std::string(words[1]), std::string(words[2]), static_cast<uint64_t>(*epoch),
                std::string(words[4]), std::string(words[5])};
  if (mark.next == "-") mark.next.clear();
  if (names_shard && words[6] != "-") mark.shard = std::string(words[6]);
  return mark;
}

std::string RingDigest(Bytes ring) { return Sha256Hex(ring).substr(0, kDigest); }

std::string ConnectionWord(Bytes text) {
  std::string word(text);
  for (char& c : word) {
    if (c <= ' ' || c > '~' || c == ':' || c == '=') c = '_';
  }
  return word;
}

std::string WhyNotOurs(ShardClient& shard, const RingMark& mine, bool claim) {
  if (std::string other = OtherConnected(shard, mine); !other.empty()) return other;
  const ShardReply known = shard.Ask({"GET", RingMark::kKey});
  if (known.lost()) return "shard " + shard.target().name + ": " + shard.error();
  if (!known.is_text() || claim) return "";
  const std::string& name = shard.target().name;
  const std::string way_out =
      ": if that one is gone and this ring is right, say PROXY REBALANCE CLAIM";
  const std::optional<RingMark> mark = RingMark::Parse(known.text());
  if (!mark) {
    return fmt::format("shard {} bears a mark that cannot be read ({} in database 0){}", name,
                       RingMark::kKey, way_out);
  }
  // Whoever has the very ring that its keys lie by may go on from there.
  if (mark->next.empty() && mark->ring == mine.ring) return "";
  const std::string what = fmt::format(
      "at epoch {} of ring {}{}; this one is rm:{}, pool {}, epoch {} of ring {}", mark->epoch,
      mark->ring, mark->next.empty() ? "" : ", in the middle of a move to ring " + mark->next,
      mine.identity, mine.pool, mine.epoch, mine.ring);
  if (mark->identity != mine.identity || mark->pool != ConnectionWord(mine.pool)) {
    return fmt::format("shard {} follows another proxy's ring (rm:{}, pool {}, {}){}", name,
                       mark->identity, mark->pool, what, way_out);
  }
  if (mark->epoch <= mine.epoch) return "";
  return fmt::format("shard {} is ahead of the state database, which was put back or lost ({}){}",
                     name, what, way_out);
}

std::optional<RingMark> ReadMark(ShardClient& shard) {
  // A GET in vain would count among the misses of clients.
  const ShardReply there = shard.Ask({"MEMORY", "USAGE", RingMark::kKey});
  if (there.is_nil()) return std::nullopt;
  const ShardReply known = shard.Ask({"GET", RingMark::kKey});
  return known.is_text() ? RingMark::Parse(known.text()) : std::nullopt;
}

bool LeaveMark(ShardClient& shard, RingMark mine) {
  mine.shard = shard.target().name;
  const ShardReply left = shard.Ask({"SET", RingMark::kKey, mine.Text()});
  return !left.lost() && !left.is_error();
}

void RemoveMark(ShardClient& shard) { shard.Ask({"DEL", RingMark::kKey}); }

}  // namespace ringmaster
