#include "sizes/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "base/check.h"
#include "sizes/values.h"
#include "support/resp_text.h"

namespace ringmaster::sizes {
namespace {

using integration::Encode;
using integration::Quoted;

constexpr std::array<const char*, 6> kFamilies = {"string", "hash", "list",
                                                  "set",    "zset", "stream"};
constexpr size_t kKeysEach = 4;
constexpr uint64_t kMembers = 64;

std::string Short(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size() && i < 8; ++i)
    text += (i > 0 ? " " : "") + Quoted(words[i], 40);
  if (words.size() > 8) text += fmt::format(" ... ({} words)", words.size());
  return text;
}

Command Plain(const std::vector<std::string>& words) {
  return Command{.bytes = Encode(words), .text = Short(words)};
}

bool SeveralKeys(const std::string& rule) {
  size_t keys = 0;
  std::stringstream stream(rule);
  for (std::string word; stream >> word;) {
    const bool is_key = word == "<any>+" || word.starts_with("<hll>") ||
                        std::any_of(kFamilies.begin(), kFamilies.end(), [&](const char* family) {
                          return word.starts_with(std::string("<") + family);
                        });
    if (is_key) keys += word.back() == '+' ? 2 : 1;
  }
  return keys > 1;
}

// Without the characters that mean something in an inline request.
std::string InlineWord(const std::string& word) {
  std::string clean = word.substr(0, 20000);
  for (char& c : clean) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\'' || c == '\\') c = 'i';
  }
  return clean.empty() ? "i" : clean;
}

}  // namespace

// Words in <> are drawn: keys by their family, and what Word() knows. <..>+ stands for one or more,
// <a,b>+ for pairs, a|b for one of them.
struct Commands::Rule {
  enum Effect : uint8_t { kReads, kWrites, kGrows };
  std::string text;
  Effect effect = kReads;
  Order order = Order::kExact;
};

const std::vector<Commands::Rule>& Commands::Rules() {
  using enum Rule::Effect;
  static const std::vector<Rule> rules = {
      {"SET <string> <value>", kWrites},
      {"SET <string> <value>", kWrites},
      {"SET <string> <value> XX|NX GET", kWrites},
      {"SETEX <string> 10000 <value>", kWrites},
      {"GETSET <string> <value>", kWrites},
      {"GETDEL <string>", kWrites},
      {"APPEND <string> <value>", kWrites},
      {"SETRANGE <string> <offset> <value>", kGrows},
      {"SET <string> <int>", kWrites},
      {"INCRBY <string> <int>", kWrites},
      {"MSET <string,value>+", kWrites},
      {"MSETNX <string,value>+", kWrites},
      {"SETBIT <string> <offset> 1", kGrows},
      {"BITOP AND|OR|XOR <string> <string> <string>", kGrows},
      {"PFADD <hll> <member>+", kWrites},
      {"PFMERGE <hll> <hll> <hll>", kWrites},
      {"GET <string>"},
      {"GET <string>"},
      {"GET <string>"},
      {"GET <string>"},
      {"MGET <string>+"},
      {"MGET <string>+"},
      {"GETRANGE <string> <offset> <offset>"},
      {"GETRANGE <string> <index> <index>"},
      {"STRLEN <string>"},
      {"BITCOUNT <string>"},
      {"PFCOUNT <hll>+"},
      {"HSET <hash> <member,value>+", kWrites},
      {"HSET <hash> <member,value>+", kWrites},
      {"HSETNX <hash> <member> <value>", kWrites},
      {"HDEL <hash> <member>+", kWrites},
      {"HGET <hash> <member>"},
      {"HMGET <hash> <member>+"},
      {"HGETALL <hash>", kReads, Order::kAnyPairs},
      {"HKEYS <hash>", kReads, Order::kAnyOrder},
      {"HVALS <hash>", kReads, Order::kAnyOrder},
      {"HSTRLEN <hash> <member>"},
      {"HLEN <hash>"},
      {"LPUSH <list> <value>+", kWrites},
      {"RPUSH <list> <value>+", kWrites},
      {"RPUSH <list> <member>+", kWrites},
      {"LPUSHX <list> <value>", kWrites},
      {"LPOP|RPOP <list>", kWrites},
      {"LPOP|RPOP <list> <count>", kWrites},
      {"LSET <list> <index> <value>", kWrites},
      {"LINSERT <list> BEFORE|AFTER <member> <value>", kWrites},
      {"LREM <list> <index> <member>", kWrites},
      {"LTRIM <list> <index> <index>", kWrites},
      {"LMOVE <list> <list> LEFT|RIGHT LEFT|RIGHT", kWrites},
      {"LMPOP 2 <list> <list> LEFT|RIGHT COUNT <count>", kWrites},
      {"BLPOP <list> <list> 0.01", kWrites},
      {"BRPOP <list> 0.01", kWrites},
      {"BLMOVE <list> <list> LEFT RIGHT 0.01", kWrites},
      {"SORT <list> ALPHA STORE <list>", kGrows},
      {"LRANGE <list> 0 -1"},
      {"LRANGE <list> <index> <index>"},
      {"LINDEX <list> <index>"},
      {"LPOS <list> <member>"},
      {"LLEN <list>"},
      {"SORT <list> ALPHA LIMIT 0 5"},
      {"SADD <set> <member>+", kWrites},
      {"SADD <set> <member>+", kWrites},
      {"SREM <set> <member>+", kWrites},
      {"SMOVE <set> <set> <member>", kWrites},
      {"SUNIONSTORE|SINTERSTORE|SDIFFSTORE <set> <set> <set>", kGrows},
      {"SMEMBERS <set>", kReads, Order::kAnyOrder},
      {"SUNION|SINTER|SDIFF <set> <set>", kReads, Order::kAnyOrder},
      {"SISMEMBER <set> <member>"},
      {"SMISMEMBER <set> <member>+"},
      {"SCARD <set>"},
      {"ZADD <zset> <float,member>+", kWrites},
      {"ZADD <zset> <float,member>+", kWrites},
      {"ZREM <zset> <member>+", kWrites},
      {"ZINCRBY <zset> <float> <member>", kWrites},
      {"ZPOPMIN|ZPOPMAX <zset> <count>", kWrites},
      {"BZPOPMIN <zset> <zset> 0.01", kWrites},
      {"ZUNIONSTORE|ZINTERSTORE <zset> 2 <zset> <zset>", kGrows},
      {"ZRANGESTORE <zset> <zset> 0 <count>", kGrows},
      {"ZRANGE <zset> 0 -1"},
      {"ZRANGE <zset> 0 -1 WITHSCORES"},
      {"ZUNION 2 <zset> <zset>"},
      {"ZSCORE <zset> <member>"},
      {"ZMSCORE <zset> <member>+"},
      {"ZRANK <zset> <member>"},
      {"ZCARD <zset>"},
      {"XADD <stream> <id> <field,value>+", kWrites},
      {"XADD <stream> <id> <field,value>+", kWrites},
      {"XTRIM <stream> MAXLEN <count>", kWrites},
      {"XGROUP CREATE <stream> g 0 MKSTREAM", kWrites},
      {"XREADGROUP GROUP g c COUNT <count> STREAMS <stream> >", kWrites},
      {"XRANGE|XREVRANGE <stream> - +"},
      {"XRANGE <stream> - + COUNT <count>"},
      {"XREAD COUNT <count> STREAMS <stream> <stream> 0 0"},
      {"XREAD BLOCK 10 STREAMS <stream> $"},
      {"XLEN <stream>"},
      {"RENAME <string> <string>", kWrites},
      {"RENAME <list> <list>", kWrites},
      {"RENAMENX <hash> <hash>", kWrites},
      {"COPY <string> <string> REPLACE", kGrows},
      {"COPY <hash> <hash>", kGrows},
      {"COPY <stream> <stream> REPLACE", kGrows},
      {"RENAME <stream> <stream>", kWrites},
      {"DEL|UNLINK <any>+", kWrites},
      {"EXISTS|TOUCH <any>+"},
      {"TYPE <any>"},
      {"EVAL <script:get> 1 <string>"},
      {"EVAL <script:two> 2 <string> <string>"},
      {"EVAL <script:set> 1 <string> <value>", kWrites},
      {"EVAL <script:copy> 2 <string> <string>", kGrows},
      {"EVAL <script:push> 2 <list> <list> <value>+", kWrites},
      {"EVAL <script:repeat> 0 <value> <count>"},
      {"ECHO <value>"},
      {"PING <value>"},
      {"PING"},
      {"NOSUCHCOMMAND <value>"},
      {"GET <string> <value>"},
      {"INLINE SET <string> <member>", kWrites},
      {"INLINE GET <string>"},
      {"INLINE PING"},
  };
  return rules;
}

Commands::Commands(uint64_t seed, uint64_t client, uint64_t generation)
    : random_(seed), client_(client) {
  for (const char* family : kFamilies) {
    for (size_t n = 0; n < kKeysEach; ++n) {
      keys_.push_back(fmt::format("c{}g{}:{}{}", client, generation, family, n));
    }
  }
  for (size_t n = 0; n < 2; ++n)
    keys_.push_back(fmt::format("c{}g{}:hll{}", client, generation, n));
}

const std::string& Commands::Key(const std::string& family, size_t n) const {
  for (size_t f = 0; f < kFamilies.size(); ++f) {
    if (family == kFamilies[f]) return keys_[f * kKeysEach + n % kKeysEach];
  }
  RM_CHECK(family == "hll");
  return keys_[kFamilies.size() * kKeysEach + n % 2];
}

std::string Commands::NextId() { return fmt::format("{}-{}", ++last_id_, random_.Below(3)); }

std::string Commands::Number(int64_t low, int64_t high) {
  return std::to_string(low +
                        static_cast<int64_t>(random_.Below(static_cast<uint64_t>(high - low + 1))));
}

std::string Commands::DrawMember(size_t largest) {
  uint64_t n = random_.Below(kMembers);
  while (MemberSize(client_, n) > largest) n = (n + 1) % kMembers;
  return Member(client_, n);
}

std::string Commands::Word(const std::string& kind, size_t largest) {
  if (kind == "value") return Noise(random_.Next(), LogUniform(random_, largest));
  if (kind == "member") return DrawMember(largest);
  if (kind == "field") return Number(1, 5);
  if (kind == "int") return Number(-1000, 1000);
  if (kind == "index") return Number(-8, 8);
  if (kind == "count") return Number(0, 6);
  if (kind == "offset") return std::to_string(LogUniform(random_, largest));
  if (kind == "float") return fmt::format("{}.{}", random_.Below(100), random_.Below(4) * 25);
  if (kind == "id") return NextId();
  if (kind == "any") return keys_[random_.Below(keys_.size())];
  if (kind == "script:get") return "return redis.call('GET', KEYS[1])";
  if (kind == "script:two")
    return "return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2])}";
  if (kind == "script:set") return "redis.call('SET', KEYS[1], ARGV[1]) return ARGV[1]";
  if (kind == "script:copy")
    return "local v = redis.call('GET', KEYS[1]) if v then redis.call('SET', KEYS[2], v) return #v "
           "end return 'none'";
  if (kind == "script:push")
    return "redis.call('RPUSH', KEYS[1], unpack(ARGV)) redis.call('LPUSH', KEYS[2], ARGV[1]) "
           "return redis.call('LRANGE', KEYS[1], 0, 3)";
  if (kind == "script:repeat")
    return "return string.rep(string.sub(ARGV[1], 1, 1000000), tonumber(ARGV[2]))";
  // One in twelve has a type that does not fit.
  if (random_.Below(12) == 0) return keys_[random_.Below(keys_.size())];
  return Key(kind, one_key_each_ ? 0 : random_.Below(kKeysEach));
}

void Commands::Expand(const std::string& word, size_t largest, std::vector<std::string>& words) {
  if (word.front() != '<') {
    std::vector<std::string> choices;
    std::stringstream stream(word);
    for (std::string choice; std::getline(stream, choice, '|');) choices.push_back(choice);
    words.push_back(choices[random_.Below(choices.size())]);
    return;
  }
  const bool many = word.back() == '+';
  const std::string kinds = word.substr(1, word.size() - (many ? 3 : 2));
  const size_t comma = kinds.find(',');
  // Seldom very many.
  const size_t count = !many ? 1 : 1 + LogUniform(random_, random_.Below(20) == 0 ? 1000 : 8);
  const size_t share = count > 8 ? largest / count : largest;
  for (size_t n = 0; n < count; ++n) {
    words.push_back(Word(kinds.substr(0, comma), share));
    if (comma != std::string::npos) words.push_back(Word(kinds.substr(comma + 1), share));
  }
}

Command Commands::Draw(size_t largest) {
  const Rule* rule = nullptr;
  do {
    rule = &Rules()[random_.Below(Rules().size())];
  } while ((read_only_ && rule->effect != Rule::kReads) || (one_key_ && SeveralKeys(rule->text)));
  std::vector<std::string> words;
  std::stringstream stream(rule->text);
  for (std::string word; stream >> word;) Expand(word, largest, words);
  Command command;
  if (words.front() == "INLINE") {
    for (size_t i = 1; i < words.size(); ++i)
      command.bytes += (i > 1 ? " " : "") + InlineWord(words[i]);
    command.text = "inline " + command.bytes.substr(0, 80);
    command.bytes += "\r\n";
  } else {
    command = Plain(words);
  }
  command.order = rule->order;
  command.grows = rule->effect == Rule::kGrows;
  return command;
}

std::vector<Command> Commands::ReadsOfLargeValues(size_t room) {
  constexpr size_t kLeast = 64 << 10;
  std::vector<Command> all;
  // Of one order of magnitude, so that as many fit as there can be.
  const size_t size = kLeast + LogUniform(random_, 2 << 20);
  size_t values = 0;
  for (size_t n = 0; n < kKeysEach && values < room / 2; ++n, values += size) {
    const std::string value = Noise(random_.Next(), size);
    all.push_back(Plain({"DEL", Key("string", n), Key("hash", n), Key("list", n)}));
    all.push_back(Plain({"SET", Key("string", n), value}));
    if (n % 2 == 0) continue;
    all.push_back(Plain({"HSET", Key("hash", n), "f", value}));
    all.push_back(Plain({"RPUSH", Key("list", n), value, "x"}));
    values += 2 * size;
  }
  for (size_t left = room; left >= size; left -= size) {
    const uint64_t n = random_.Below(kKeysEach);
    switch (random_.Below(8)) {
      case 0:
        all.push_back(Plain({"HGET", Key("hash", n), "f"}));
        break;
      case 1:
        all.push_back(Plain({"LRANGE", Key("list", n), "0", "-1"}));
        break;
      case 2:
        all.push_back(Plain({"GETRANGE", Key("string", n), "1", "-2"}));
        break;
      case 3:
        all.push_back(Plain({"EVAL", "return redis.call('GET', KEYS[1])", "1", Key("string", n)}));
        break;
      default:
        all.push_back(Plain({"GET", Key("string", n)}));
    }
  }
  return all;
}

std::vector<Command> Commands::Next(size_t largest, size_t room) {
  std::vector<Command> all;
  if (one_key_ || random_.Below(25) != 0) {
    all.push_back(Draw(largest));
    return all;
  }
  if (!read_only_ && random_.Below(4) == 0)
    all.push_back(Plain({"WATCH", Key("string", random_.Below(4))}));
  all.push_back(Plain({"MULTI"}));
  one_key_each_ = random_.Below(2) == 0;
  Command last = Plain({random_.Below(10) == 0 ? "DISCARD" : "EXEC"});
  size_t bytes = 0;
  for (uint64_t n = random_.Below(12); n > 0 && bytes < room; --n) {
    Command command = Draw(largest);
    bytes += command.bytes.size();
    last.parts.push_back(command.order);
    last.grows |= command.grows;
    command.order = Order::kExact;
    command.grows = false;
    all.push_back(std::move(command));
  }
  one_key_each_ = false;
  all.push_back(std::move(last));
  return all;
}

}  // namespace ringmaster::sizes
