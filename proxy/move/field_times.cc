#include "move/field_times.h"

#include <string>

namespace ringmaster {
namespace {

ShardClient::Args WithFields(ShardClient::Args args, const ShardReply& page) {
  for (size_t i = 0; i < page.size(); i += 2) args.push_back(page.at(i).text());
  return args;
}

}  // namespace

Status ReadFieldTimes(ShardClient& shard, Bytes key, const ShardReply& page, FieldTimes& times) {
  const size_t fields = page.size() / 2;
  if (fields == 0) return Done();
  const std::string count = std::to_string(fields);
  const ShardReply said = shard.Ask(WithFields({"HPEXPIRETIME", key, "FIELDS", count}, page));
  if (said.lost() || said.is_error()) return Refused(shard, said);
  // Of a key that expired meanwhile it may say nothing at all.
  for (size_t i = 0; i < fields; ++i) {
    times.push_back(i < said.size() ? said.at(i).integer() : kFieldGone);
  }
  return Done();
}

Result<bool> HasFields(ShardClient& whole, Bytes in, ShardClient& part, Bytes key,
                       const ShardReply& page) {
  if (page.size() == 0) return true;
  const ShardReply values = whole.Ask(WithFields({"HMGET", in}, page));
  if (values.lost() || values.is_error()) return Refused(whole, values).error();
  FieldTimes theirs;
  if (Status told = ReadFieldTimes(whole, in, page, theirs); !told) return told.error();
  const ShardReply clock = whole.Ask({"TIME"});
  if (clock.size() != 2) return Refused(whole, clock).error();
  const int64_t now = ParseInteger(clock.at(0).text()).value_or(0) * 1000 +
                      ParseInteger(clock.at(1).text()).value_or(0) / 1000;
  FieldTimes ours;
  if (Status told = ReadFieldTimes(part, key, page, ours); !told) return told.error();
  for (size_t i = 0; i < ours.size(); ++i) {
    if (ours[i] == kFieldGone || (ours[i] != kFieldStays && ours[i] <= now)) continue;
    const ShardReply value = values.at(i);
    const bool same = value.is_text() && value.text() == page.at(2 * i + 1).text();
    if (!same || theirs[i] != ours[i]) return false;
  }
  return true;
}

}  // namespace ringmaster
