#include "command/table/categories.h"

#include <algorithm>
#include <iterator>

namespace ringmaster {
namespace {

// In the order in which Redis lists them.
constexpr FlagName kFlags[] = {
    {kWrite, "write"},
    {kReadOnly, "readonly"},
    {kDenyOom, "denyoom"},
    {kAdmin, "admin"},
    {kPubSub, "pubsub"},
    {kNoScript, "noscript"},
    {kBlocking, "blocking"},
    {kLoading, "loading"},
    {kStale, "stale"},
    {kSkipMonitor, "skip_monitor"},
    {kSkipSlowlog, "skip_slowlog"},
    {kAsking, "asking"},
    {kFast, "fast"},
    {kNoAuth, "no_auth"},
    {kNoMandatoryKeys, "no_mandatory_keys"},
    {kNoAsyncLoading, "no_async_loading"},
    {kNoMulti, "no_multi"},
    {kMovableKeys, "movablekeys"},
    {kAllowBusy, "allow_busy"},
};

// In the order of Redis's category table.
constexpr const char* kCategories[] = {
    "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
    "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
    "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting"};

}  // namespace

std::vector<Bytes> Words(Bytes text) {
  std::vector<Bytes> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::span<const FlagName> FlagNames() { return kFlags; }

std::span<const char* const> Categories() { return kCategories; }

uint32_t CategoryBit(Bytes name) {
  for (size_t i = 0; i < std::size(kCategories); ++i) {
    if (EqualsIgnoreCase(kCategories[i], name)) return 1U << i;
  }
  return 0;
}

uint32_t CategoriesOf(const Row& row) {
  uint32_t categories = 0;
  for (const Bytes word : Words(row.categories)) categories |= CategoryBit(word);
  const auto imply = [&](RowFlag flag, Bytes category) {
    if ((row.flags & flag) != 0) categories |= CategoryBit(category);
  };
  imply(kWrite, "write");
  // Redis counts no script among the reads.
  if ((categories & CategoryBit("scripting")) == 0) imply(kReadOnly, "read");
  imply(kAdmin, "admin");
  imply(kAdmin, "dangerous");
  imply(kPubSub, "pubsub");
  imply(kBlocking, "blocking");
  return categories | CategoryBit((row.flags & kFast) != 0 ? "fast" : "slow");
}

uint32_t RowFlagNamed(Bytes name) {
  for (const FlagName& flag : kFlags) {
    if (name == flag.name) return flag.flag;
  }
  return 0;
}

}  // namespace ringmaster
