// SORT and SORT_RO whose BY and GET patterns name keys of other shards: the elements are read
// first, then the keys that the patterns make of them are copied to the shard that sorts.
#include <algorithm>
#include <set>

#include "command/gate/held_locks.h"
#include "command/multikey/gather.h"
#include "command/multikey/handlers.h"
#include "command/multikey/over_shards.h"
#include "command/serve/recipe.h"
#include "command/table/keys.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"
#include "route/owned_keys.h"

namespace ringmaster {
namespace {

// The elements to be sorted; an error reply, or nothing, in `error`. What cannot be sorted has
// none: the shard says so itself.
Task<std::vector<std::string>> ReadElements(RecipeCall& call, uint32_t shard, std::string* error) {
  const std::string key(call.args()[1]);
  std::string request = MakeRequest({"TYPE", key});
  const Answer type = co_await call.Ask(shard, std::move(request), true);
  std::vector<std::string> elements;
  if (type.is_error()) {
    *error = type.reply;
    co_return elements;
  }
  const Bytes name = ReadReply(type.reply).text;
  if (name == "list") {
    request = MakeRequest({"LRANGE", key, "0", "-1"});
  } else if (name == "set") {
    request = MakeRequest({"SMEMBERS", key});
  } else if (name == "zset") {
    request = MakeRequest({"ZRANGE", key, "0", "-1"});
  } else {
    co_return elements;
  }
  const Answer answer = co_await call.Ask(shard, std::move(request), true);
  if (answer.is_error()) *error = answer.reply;
  for (const ReplyElement& element : ReadArray(answer.reply)) elements.emplace_back(element.text);
  co_return elements;
}

// The key that the pattern makes of the element. REQUIRES: it has a star.
std::string KeyOf(Bytes pattern, const std::string& element) {
  const size_t star = pattern.find('*');
  // "->field" names a hash's field, unless nothing follows it.
  const size_t arrow = pattern.find("->", star + 1);
  const size_t end = arrow != Bytes::npos && arrow + 2 < pattern.size() ? arrow : pattern.size();
  std::string key(pattern.substr(0, star));
  key += element;
  key += pattern.substr(star + 1, end - star - 1);
  return key;
}

}  // namespace

Task<std::string> SortOverShardsRecipe(RecipeCall& call) {
  call.LeaveLocks();
  std::vector<NeededKey> keys = KeysOf(call);
  if (keys.empty()) {
    const std::string wire = call.wire();
    Answer answer = co_await call.Ask(0, wire, true);
    co_return std::move(answer.reply);
  }
  HeldLocks locks(call.context().locks);
  const std::string not_had = co_await LockAndPlace(call, locks, keys);
  if (!not_had.empty()) co_return not_had;
  std::string error;
  const std::vector<std::string> elements =
      co_await ReadElements(call, call.routes().ShardOf(call.args()[1]), &error);
  if (!error.empty()) co_return error;
  std::set<std::string> names = {keys[0].key};
  EachSortPattern(call.args(), [&](Bytes pattern) {
    for (const std::string& element : elements) {
      std::string key = KeyOf(pattern, element);
      if (!key.empty()) names.insert(std::move(key));
    }
  });
  const auto reserved = std::find_if(names.begin(), names.end(), IsReserved);
  if (reserved != names.end()) co_return errors::ReservedKey(*reserved);
  const std::vector<Bytes> needed(names.begin(), names.end());
  error = co_await call.Bring(needed);
  if (!error.empty()) co_return error;
  Place(call.routes(), keys);  // numbers of shards are new
  const uint32_t executing = ExecutingShard(keys);
  std::vector<ForeignKey> foreign;
  for (const std::string& name : names) {
    const uint32_t shard = call.routes().ShardOf(name);
    if (shard != executing) foreign.push_back({name, shard, {}, 0});
  }
  error = co_await FetchForeign(call, call.database(), foreign);
  if (!error.empty()) co_return error;
  co_return co_await RunBesideCopies(call, executing, foreign);
}

}  // namespace ringmaster
