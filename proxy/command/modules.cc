#include "command/modules.h"

#include "command/handlers.h"
#include "command/keys.h"
#include "command/owned_keys.h"
#include "command/recipe.h"
#include "command/transaction.h"
#include "resp/errors.h"
#include "resp/reply_reader.h"
#include "resp/request_writer.h"

namespace ringmaster {
namespace {

constexpr char kLooksUp[] = "module-command";
constexpr char kTiesConnection[] =
    "is not known to the proxy, and waits or gets messages on its shard; run it there";
constexpr size_t kLongestName = 64;
constexpr size_t kMostLearned = 4096;
constexpr size_t kMostAbsent = 4096;
constexpr Duration kAbsentFor = std::chrono::seconds(5);

bool Has(const ReplyElement& flags, Bytes flag) {
  ReplyReader reader = ReplyReader::Children(flags);
  while (const std::optional<ReplyElement> each = reader.Next()) {
    if (each->text == flag) return true;
  }
  return false;
}

bool Fits(int64_t number) { return number >= -1000 && number <= 1000; }

// The first shard that answers says it; all have the same modules.
Task<Answer> AskAny(RecipeCall& call, std::string request) {
  Answer answer;
  for (uint32_t shard = 0; shard < call.router().shard_count(); ++shard) {
    answer = co_await call.Ask(shard, request, true);
    if (answer.outcome == Outcome::kReplied) break;
  }
  co_return answer;
}

// nullptr: no shard knows the command, and `reply` is what its caller hears.
Task<const Command*> Look(RecipeCall& call, std::string& reply) {
  const Bytes name = call.args()[0];
  ModuleCommands& modules = *call.context().modules;
  const Command* command = modules.Known(name);
  if (command == nullptr) {
    // Named before it is awaited: GCC 12 cannot keep an initializer list across a suspension.
    std::string request = MakeRequest({"COMMAND", "INFO", name});
    const Answer answer = co_await AskAny(call, std::move(request));
    if (answer.outcome != Outcome::kReplied || answer.is_error()) {
      reply = answer.reply;
      co_return nullptr;
    }
    command = modules.Learn(name, answer.reply, call.context().proxy.Now());
  }
  if (command == nullptr) {
    reply = errors::UnknownCommand(call.args());
  } else if (!command->ArityFits(call.args().size())) {
    reply = errors::WrongArity(command->full_name);
    command = nullptr;
  }
  co_return command;
}

}  // namespace

// Of a module's keys nobody knows which it writes, and what could be undone.
Task<std::string> NotOverShardsRecipe(RecipeCall& call) {
  co_return errors::ManyShards(call.command().full_name);
}

// A shard says where the keys are of commands whose positions alone do not tell.
Task<std::string> KeysSaidByShardRecipe(RecipeCall& call) {
  std::string request;
  AppendRequestHeader(request, call.args().size() + 2);
  AppendRequestArg(request, "COMMAND");
  AppendRequestArg(request, "GETKEYS");
  for (const Bytes arg : call.args()) AppendRequestArg(request, arg);
  const Answer said = co_await AskAny(call, std::move(request));
  if (said.outcome != Outcome::kReplied) co_return said.reply;
  // An error says that there are none.
  std::vector<std::string> keys;
  for (const ReplyElement& key : ReadArray(said.reply)) keys.emplace_back(key.text);
  if (keys.empty()) {
    const Answer answer = co_await call.Ask(0, call.wire(), call.command().Is(kReadOnly));
    co_return answer.reply;
  }
  const std::vector<Bytes> views(keys.begin(), keys.end());
  std::string error = co_await call.EnterAgain(views);
  if (!error.empty()) co_return error;
  const uint32_t shard = call.router().ShardOf(keys[0]);
  for (const std::string& key : keys) {
    if (IsReserved(key)) co_return errors::ReservedKey(key);
    if (call.router().ShardOf(key) != shard) co_return errors::ManyShards(call.command().full_name);
  }
  const Answer answer = co_await call.Ask(shard, call.wire(), call.command().Is(kReadOnly));
  co_return answer.reply;
}

ModuleCommands::ModuleCommands(const CommandTable& table) : asking_(table.FindByName(kLooksUp)) {}

const Command* ModuleCommands::Find(Bytes name, TimePoint now) const {
  // A bar stands between a command and its subcommand; no name has one.
  if (name.size() > kLongestName || name.find('|') != Bytes::npos) return nullptr;
  const std::string lower = Lowercase(name);
  const std::lock_guard lock(mutex_);
  if (const Command* said = OfOperator(lower)) return said;
  if (const auto known = by_name_.find(lower); known != by_name_.end()) return known->second;
  const auto absent = absent_.find(lower);
  return absent != absent_.end() && now < absent->second ? nullptr : asking_;
}

const Command* ModuleCommands::Known(Bytes name) const {
  const std::string lower = Lowercase(name);
  const std::lock_guard lock(mutex_);
  if (const Command* said = OfOperator(lower)) return said;
  const auto known = by_name_.find(lower);
  return known == by_name_.end() ? nullptr : known->second;
}

// A handful.
const Command* ModuleCommands::OfOperator(Bytes lower) const {
  if (operator_rows_ == nullptr) return nullptr;
  for (const auto& row : *operator_rows_) {
    if (row->replaced == nullptr && row->name == lower) return &row->command;
  }
  return nullptr;
}

void ModuleCommands::Take(std::shared_ptr<const OperatorCommands> rows) {
  const std::lock_guard lock(mutex_);
  operator_rows_ = std::move(rows);
}

std::vector<const Command*> ModuleCommands::Added() const {
  const std::lock_guard lock(mutex_);
  std::vector<const Command*> added;
  if (operator_rows_ == nullptr) return added;
  for (const auto& row : *operator_rows_) {
    if (row->replaced == nullptr) added.push_back(&row->command);
  }
  return added;
}

const Command* ModuleCommands::Learn(Bytes name, Bytes reply, TimePoint now) {
  const std::string lower = Lowercase(name);
  const std::lock_guard lock(mutex_);
  if (const auto known = by_name_.find(lower); known != by_name_.end()) return known->second;
  const std::vector<ReplyElement> infos = ReadArray(reply);
  const std::vector<ReplyElement> info =
      infos.size() == 1 ? ReadArray(infos[0].raw) : std::vector<ReplyElement>();
  const bool makes_sense = info.size() >= 6 && info[1].type == ':' && Fits(info[1].count) &&
                           info[2].is_aggregate() && info[3].count >= 0 && Fits(info[3].count) &&
                           Fits(info[4].count) && Fits(info[5].count);
  if (!makes_sense || learned_.size() >= kMostLearned) {
    if (absent_.size() >= kMostAbsent) absent_.clear();
    absent_[lower] = now + kAbsentFor;
    return nullptr;
  }
  auto learned = std::make_unique<Learned>();
  learned->name = lower;
  Row& row = learned->row;
  row.name = learned->name.c_str();
  row.arity = static_cast<int>(info[1].count);
  row.flags = Has(info[2], "write") ? uint32_t{kWrite} : uint32_t{kReadOnly};
  row.plan = Forward(NotOverShardsRecipe);
  Command& command = learned->command;
  const int64_t first = info[3].count;
  if (first > 0 && info[5].count > 0)
    row.specs[0] = KeyRangeOf(first, info[4].count, info[5].count);
  if (Has(info[2], "movablekeys")) {
    row.plan = Recipe(KeysSaidByShardRecipe);
    row.flags |= kMovableKeys;
  }
  // Others' commands would wait behind it, or get its messages.
  if (Has(info[2], "blocking") || Has(info[2], "pubsub")) row.plan = Refuse(kTiesConnection);
  command.row = &row;
  if (!command.Is(kMovableKeys)) DeriveKeySpan(command);
  command.id = asking_->id;
  command.full_name = lower;
  by_name_[lower] = &command;
  learned_.push_back(std::move(learned));
  return &command;
}

// The first call of a command that the rows do not know.
Task<std::string> UnknownCommandRecipe(RecipeCall& call) {
  std::string reply;
  const Command* command = co_await Look(call, reply);
  if (command == nullptr) co_return reply;
  std::vector<uint32_t> positions;
  if (call.context().moving && FindKeys(*command->row, call.args(), positions)) {
    std::vector<Bytes> keys;
    for (const uint32_t position : positions) keys.push_back(call.args()[position]);
    std::string error = co_await call.EnterAgain(keys);
    if (!error.empty()) co_return error;
  }
  ClientState absent = call.StandIn();
  ClientState* client = call.client();
  std::vector<Bytes> args(call.args().begin(), call.args().end());
  reply = co_await call.Run(*command, std::move(args), client != nullptr ? *client : absent);
  co_return reply;
}

// The same between MULTI and EXEC.
Task<std::string> QueueUnknownCommandRecipe(RecipeCall& call) {
  std::string reply;
  const Command* command = co_await Look(call, reply);
  ClientState* client = call.client();
  if (client == nullptr || client->transaction == nullptr) co_return reply;
  Transaction& transaction = *client->transaction;
  if (command == nullptr) {
    transaction.broken = true;
  } else {
    if (!transaction.broken) {
      transaction.queue.push_back({command, {call.args().begin(), call.args().end()}});
    }
    reply = "+QUEUED\r\n";
  }
  co_return reply;
}

}  // namespace ringmaster
