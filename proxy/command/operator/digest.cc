#include "command/operator/digest.h"

#include <fmt/format.h>

#include <span>

#include "command/serve/recipe.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "ring/hash.h"

namespace ringmaster {
namespace {

// A piece of each key, from a cursor or position on. For each: type, where the next piece begins
// ('0': nowhere), two numbers of 48 bits, how many elements it was, how many there are, and whether
// it and whether fields of it expire. The numbers are sums over elements, so neither their order in
// a hash or set counts nor how they are cut; lists and strings say the place of each.
constexpr Bytes kScript = R"(
local most, at, piece = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local sum, sum2, seen
local function add(text)
  local h = redis.sha1hex(text)
  sum = (sum + tonumber(string.sub(h, 1, 12), 16)) % 281474976710656
  sum2 = (sum2 + tonumber(string.sub(h, 13, 24), 16)) % 281474976710656
  seen = seen + 1
end
local function pair(a, b) add(#a .. ':' .. a .. b) end
-- Fields of hashes have times to live since Redis 7.4. Of those the proxy carries the time itself,
-- so it counts. Servers that know none are not asked: an error in a script would be counted.
local timed = (redis.REDIS_VERSION_NUM or 0) >= 0x70400 or (redis.VALKEY_VERSION_NUM or 0) >= 0x90000
local lapse
local function fields(key, got)
  for from = 1, #got, 2000 do
    local names, times = {}, {}
    for i = from, math.min(from + 1998, #got - 1), 2 do names[#names + 1] = got[i] end
    if timed then times = redis.call('HPEXPIRETIME', key, 'FIELDS', #names, unpack(names)) end
    for j, name in ipairs(names) do
      local value, t = got[from + 2 * j - 1], times[j] or -1
      if t < 0 then pair(name, value)
      else
        add(string.format('t%.0f:', t) .. #name .. ':' .. name .. value)
        lapse = 1
      end
    end
  end
end
local function flat(v)
  if type(v) ~= 'table' then return tostring(v) .. ';' end
  local text, i = '(', 1
  while v[i] ~= nil do
    if v[i] == 'radix-tree-keys' or v[i] == 'radix-tree-nodes' or v[i] == 'entries' then i = i + 2
    else text = text .. flat(v[i]) i = i + 1 end
  end
  return text .. ')'
end
local out = {}
for _, key in ipairs(KEYS) do
  sum, sum2, seen, lapse = 0, 0, 0, 0
  local kind, next, all = redis.call('TYPE', key).ok, '0', 0
  local from = tonumber(at) or 0
  if kind == 'string' then
    local text = redis.call('GETRANGE', key, from, from + piece - 1)
    pair(tostring(from), text)
    if #text == piece then next = tostring(from + piece) end
  elseif kind == 'list' then
    local got = redis.call('LRANGE', key, from, from + most - 1)
    for i, v in ipairs(got) do pair(tostring(from + i), v) end
    all = redis.call('LLEN', key)
    if from + #got < all then next = tostring(from + #got) end
  elseif kind == 'zset' then
    local got = redis.call('ZRANGE', key, from, from + most - 1, 'WITHSCORES')
    for i = 1, #got, 2 do pair(got[i], got[i + 1]) end
    all = redis.call('ZCARD', key)
    if from + #got / 2 < all then next = tostring(from + #got / 2) end
  elseif kind == 'set' then
    local got = redis.call('SSCAN', key, at, 'COUNT', most)
    for _, v in ipairs(got[2]) do add(v) end
    next, all = got[1], redis.call('SCARD', key)
  elseif kind == 'hash' then
    local got = redis.call('HSCAN', key, at, 'COUNT', most)
    fields(key, got[2])
    next, all = got[1], redis.call('HLEN', key)
  elseif kind == 'stream' then
    local got = redis.call('XRANGE', key, at == '0' and '-' or '(' .. at, '+', 'COUNT', most)
    for _, v in ipairs(got) do add(flat(v)) end
    all = redis.call('XLEN', key)
    if #got == most then next = got[#got][1] end
    if at == '0' then
      add(flat(redis.call('XINFO', 'STREAM', key, 'FULL', 'COUNT', 1)))
      seen = seen - 1
    end
  elseif kind ~= 'none' then
    add(redis.call('DUMP', key))
    all = 1
  end
  local expires = redis.call('PTTL', key) >= 0 and 1 or 0
  out[#out + 1] = {kind, next, string.format('%.0f.%.0f', sum, sum2), seen, all, expires, lapse}
end
return out
)";
constexpr Bytes kElements = "100";
constexpr Bytes kBytes = "262144";
// A table that is rehashed may show elements twice; afterwards it does not.
constexpr int kTries = 3;

struct Piece {
  std::string kind;
  std::string next = "0";
  std::string sums;
  int64_t seen = 0;
  int64_t all = 0;
  bool expires = false;
  bool fields_expire = false;
};

// One for each key, or an error.
Task<Result<std::vector<Piece>>> AskForPieces(RecipeCall& call, uint32_t shard, int database,
                                              std::span<const std::string> keys, std::string at) {
  const std::string count = std::to_string(keys.size());
  std::vector<Bytes> args = {"EVAL", kScript, count};
  for (const std::string& key : keys) args.push_back(key);
  args.insert(args.end(), {kElements, at, kBytes});
  std::string request;
  AppendRequest(request, args);
  const AskOptions options{.read_only = true};
  Connection& connection = call.Shared(shard, database);
  const Answer answer = co_await call.AskOver(connection, std::move(request), options);
  std::vector<Piece> pieces;
  for (const ReplyElement& each : ReadArray(answer.reply)) {
    const std::vector<ReplyElement> parts = ReadArray(each.raw);
    if (parts.size() != 7) break;
    pieces.push_back({std::string(parts[0].text), std::string(parts[1].text),
                      std::string(parts[2].text), parts[3].count, parts[4].count,
                      parts[5].count == 1, parts[6].count == 1});
  }
  if (pieces.size() == keys.size()) co_return pieces;
  co_return Error{ErrorCode::kRefused,
                  "shard " + call.routes().shard_name(shard) +
                      " does not tell digests: " + std::string(ReadReply(answer.reply).text)};
}

// The sums of all pieces.
struct Sums {
  uint64_t first = 0;
  uint64_t second = 0;
  int64_t seen = 0;
  bool fields_expire = false;

  void Add(const Piece& piece) {
    const size_t dot = piece.sums.find('.');
    const Bytes text = piece.sums;
    first += static_cast<uint64_t>(ParseInteger(text.substr(0, dot)).value_or(0));
    second += static_cast<uint64_t>(
        dot == Bytes::npos ? 0 : ParseInteger(text.substr(dot + 1)).value_or(0));
    seen += piece.seen;
    fields_expire = fields_expire || piece.fields_expire;
  }
  // A hash still counts fields that have expired, and shows them no more.
  bool Whole(const Piece& last) const {
    return last.kind == "string" || seen == last.all || (fields_expire && seen < last.all);
  }
};

// What follows the first piece.
Task<Result<Sums>> SumUp(RecipeCall& call, uint32_t shard, int database, const std::string& key,
                         Piece piece) {
  const std::span<const std::string> one(&key, 1);
  for (int tries = 0; tries < kTries; ++tries) {
    Sums sums;
    sums.Add(piece);
    while (piece.next != "0") {
      if (call.client_gone()) co_return Error{ErrorCode::kRefused, "its client is gone"};
      Result<std::vector<Piece>> next =
          co_await AskForPieces(call, shard, database, one, piece.next);
      if (!next) co_return next.error();
      piece = std::move((*next)[0]);
      sums.Add(piece);
    }
    if (sums.Whole(piece)) co_return sums;
    Result<std::vector<Piece>> again = co_await AskForPieces(call, shard, database, one, "0");
    if (!again) co_return again.error();
    piece = std::move((*again)[0]);
  }
  co_return Error{ErrorCode::kRefused,
                  "somebody writes to " + key.substr(0, 200) + "; a digest needs that nobody does"};
}

}  // namespace

Task<Result<uint64_t>> DigestKeys(RecipeCall& call, uint32_t shard, int database,
                                  const std::vector<std::string>& keys) {
  uint64_t digest = 0;
  const std::span<const std::string> all(keys);
  Result<std::vector<Piece>> pieces = co_await AskForPieces(call, shard, database, all, "0");
  if (!pieces) co_return pieces.error();
  for (size_t i = 0; i < keys.size(); ++i) {
    const Piece first = (*pieces)[i];
    if (first.kind == "none") continue;
    const Result<Sums> sums = co_await SumUp(call, shard, database, keys[i], first);
    if (!sums) co_return sums.error();
    constexpr uint64_t kModulus = uint64_t{1} << 48;
    const std::string text =
        fmt::format("{} {} {} {:012x}{:012x} {}", database, keys[i], first.kind,
                    sums->first % kModulus, sums->second % kModulus, first.expires ? "e" : "-");
    digest += Hash(HashKind::kXxh3, text);
  }
  co_return digest;
}

}  // namespace ringmaster
