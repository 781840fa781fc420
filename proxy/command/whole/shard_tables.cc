#include "command/whole/shard_tables.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

// One that loads its data or runs a script says it later.
constexpr Duration kAgain = std::chrono::seconds(1);
// One that lacks a command may get it.
constexpr Duration kLooksAgain = std::chrono::seconds(10);

}  // namespace

ShardTables::ShardTables(Router& router, const CommandTable& table, ModuleCommands& modules)
    : router_(router), table_(table), modules_(modules) {}

ShardTables::~ShardTables() = default;

void ShardTables::Tick(TimePoint now) {
  bool news = version_ != router_.version();
  if (news) ForgetThoseThatLeft();
  version_ = router_.version();
  for (uint32_t i = 0; i < router_.shard_count(); ++i) {
    Backend& backend = router_.backend(i);
    std::shared_ptr<Shard>& shard = shards_[backend.link().name()];
    if (shard == nullptr) shard = std::make_shared<Shard>();
    news = std::exchange(shard->news, false) || news;
    if (!Asks(*shard, backend.link(), now)) continue;
    Ask(shard, backend);
    shard->again = now + (shard->lacks ? kLooksAgain : kAgain);
  }
  if (news) TellAll();
}

bool ShardTables::Asks(const Shard& shard, const ShardLink& link, TimePoint now) const {
  if (shard.under_way || now < shard.again || link.failing()) return false;
  const std::shared_ptr<const ServerFacts> facts = link.facts();
  return facts != nullptr && (facts != shard.asked || shard.lacks);
}

// The answer may come when this is gone.
void ShardTables::Ask(const std::shared_ptr<Shard>& shard, Backend& backend) {
  const std::string request = MakeRequest({"COMMAND"});
  const Asides::Options options{.read_only = true, .nobody_waits = true};
  shard->under_way = true;
  const auto take = [table = &table_, shard, facts = backend.link().facts()](
                        Outcome outcome, const std::string& reply) {
    shard->under_way = false;
    if (outcome != Outcome::kReplied) return;
    const bool denied = reply.starts_with("-NOPERM");
    if (reply.starts_with('-') && !denied) return;
    shard->asked = facts;
    shard->said = denied ? std::nullopt : ReadNewerCommands(*table, reply);
    shard->news = true;
  };
  router_.context().asides.Send(backend.Common(0, 2), Slice{request, {}}, options, take);
}

void ShardTables::ForgetThoseThatLeft() {
  std::set<std::string> here;
  for (uint32_t i = 0; i < router_.shard_count(); ++i) here.insert(router_.shard_name(i));
  std::erase_if(shards_, [&](const auto& each) { return !here.contains(each.first); });
}

// While one has said nothing, what all know stays what it was.
void ShardTables::TellAll() {
  std::vector<NamedCommands> all;
  for (const auto& [name, shard] : shards_) {
    if (!shard->said) return;
    all.push_back({name, &*shard->said});
  }
  const AgreedCommands agreed = Agree(all);
  for (const auto& [name, shard] : shards_) {
    shard->lacks = std::any_of(
        agreed.known_to_some.begin(), agreed.known_to_some.end(),
        [&shard = shard](const auto& each) { return !shard->said->unknown.contains(each.first); });
  }
  modules_.LearnAll(agreed);
  LogDebug("the shards' commands are known: {} of all of them have no row here, {} not all have",
           agreed.known.size(), agreed.known_to_some.size());
}

}  // namespace ringmaster
