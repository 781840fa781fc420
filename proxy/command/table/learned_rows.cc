#include "command/table/learned_rows.h"

namespace ringmaster {
namespace {

constexpr char kLooksUp[] = "module-command";
constexpr char kTiesConnection[] =
    "is not known to the proxy, and waits or gets messages on its shard; run it there";
constexpr size_t kLongestName = 64;
constexpr size_t kMostLearned = 4096;
constexpr size_t kMostAbsent = 4096;
constexpr Duration kAbsentFor = std::chrono::seconds(5);

}  // namespace

ModuleCommands::ModuleCommands(const CommandTable& table)
    : table_(table), recipes_(table.recipes()), asking_(table.FindByName(kLooksUp)) {}

const Command* ModuleCommands::Find(std::span<const Bytes> args, TimePoint now,
                                    bool restricted) const {
  // A bar stands between a command and its subcommand; no name has one.
  if (args[0].size() > kLongestName || args[0].find('|') != Bytes::npos) return nullptr;
  const std::string lower = Lowercase(args[0]);
  const MutexLock lock(mutex_);
  const auto absent = absent_.find(lower);
  const Command* const asking = absent != absent_.end() && now < absent->second ? nullptr : asking_;
  const Command* command = LearnedAs(lower);
  if (const OperatorCommand* said = OfOperator(lower)) {
    // Its calls are refused whoever makes them.
    const bool refused = said->row.plan.kind == PlanKind::kRefuse;
    if (restricted && command == nullptr && !refused) return asking;
    command = &said->command;
  }
  if (command == nullptr) return asking;
  command = CommandTable::Subcommand(*command, args);
  const bool asked_each_time = restricted && command->judged().keys_said_by_shard;
  return asked_each_time && command->row->plan.kind != PlanKind::kRefuse ? asking_ : command;
}

const Command* ModuleCommands::Known(Bytes full_name) const {
  const size_t bar = full_name.find('|');
  if (bar == Bytes::npos) return KnownCall({&full_name, 1});
  const Bytes words[] = {full_name.substr(0, bar), full_name.substr(bar + 1)};
  const Command* command = KnownCall(words);
  return command != nullptr && command->parent != nullptr ? command : nullptr;
}

const Command* ModuleCommands::KnownCall(std::span<const Bytes> args) const {
  const std::string lower = Lowercase(args[0]);
  const MutexLock lock(mutex_);
  const OperatorCommand* said = OfOperator(lower);
  const Command* command = said != nullptr ? &said->command : LearnedAs(lower);
  return command == nullptr ? nullptr : CommandTable::Subcommand(*command, args);
}

const Command* ModuleCommands::Learned(Bytes name) const {
  const std::string lower = Lowercase(name);
  const MutexLock lock(mutex_);
  return LearnedAs(lower);
}

const Command* ModuleCommands::LearnedAs(Bytes lower) const {
  const auto known = by_name_.find(lower);
  return known == by_name_.end() ? nullptr : known->second;
}

// A handful.
OperatorCommand* ModuleCommands::OfOperator(Bytes lower) const {
  if (operator_rows_ == nullptr) return nullptr;
  for (const auto& row : *operator_rows_) {
    if (row->replaced == nullptr && row->name == lower) return row.get();
  }
  return nullptr;
}

void ModuleCommands::Take(std::shared_ptr<const OperatorCommands> rows) {
  const MutexLock lock(mutex_);
  operator_rows_ = std::move(rows);
  if (operator_rows_ == nullptr) return;
  for (const auto& row : *operator_rows_) {
    if (row->replaced == nullptr) row->command.rights = LearnedAs(row->name);
  }
}

std::vector<const Command*> ModuleCommands::Added() const {
  const MutexLock lock(mutex_);
  std::vector<const Command*> added;
  if (operator_rows_ == nullptr) return added;
  for (const auto& row : *operator_rows_) {
    if (row->replaced == nullptr) added.push_back(&row->command);
  }
  return added;
}

std::vector<const Command*> ModuleCommands::AddedAndLearned() const {
  std::vector<const Command*> all = Added();
  const MutexLock lock(mutex_);
  for (const auto& [name, command] : by_name_) {
    if (OfOperator(name) == nullptr) all.push_back(command);
    all.insert(all.end(), command->subcommands.begin(), command->subcommands.end());
  }
  return all;
}

ModuleCommands::Entry& ModuleCommands::Make(const CommandFacts& info, Bytes name,
                                            const std::string& lacking, Command* parent) {
  auto made = std::make_unique<Entry>();
  made->name = std::string(name);
  made->said = info.said;
  made->lacking = lacking;
  Row& row = made->row;
  row.name = made->name.c_str();
  row.arity = info.arity;
  row.flags = info.flags;
  // What is no write may be sent a second time when a connection is lost.
  if ((row.flags & kWrite) == 0) row.flags |= kReadOnly;
  for (size_t i = 0; i < info.specs.size(); ++i) {
    const CommandFacts::Spec& said = info.specs[i];
    row.specs[i] = said.spec;
    row.specs[i].access = made->words.emplace_back(said.access).c_str();
    row.specs[i].keyword = made->words.emplace_back(said.keyword).c_str();
    if (!said.notes.empty()) row.specs[i].notes = made->words.emplace_back(said.notes).c_str();
  }
  Command& command = made->command;
  command.keys_said_by_shard = !info.exact || (info.flags & kMovableKeys) != 0;
  row.plan = Forward(recipes_.not_over_shards);
  // Positions are exact where only what is done to the keys is not.
  const bool placed = (info.flags & kMovableKeys) == 0 && !info.specs.empty();
  if (command.keys_said_by_shard && !placed) row.plan = Recipe(recipes_.keys_said_by_shard);
  // Others' commands would wait behind it, or get its messages.
  if ((info.flags & (kBlocking | kPubSub)) != 0) row.plan = Refuse(kTiesConnection);
  if (!lacking.empty()) {
    const std::string why = "is not known to shard '" + lacking + "', so no shard is asked for it";
    row.plan = Refuse(made->words.emplace_back(why).c_str());
    row.flags |= kHidden;
  }
  command.row = &row;
  if (row.plan.kind == PlanKind::kForward) DeriveKeySpan(command);
  command.id = asking_->id;
  command.full_name = parent == nullptr ? made->name : parent->full_name + "|" + made->name;
  command.parent = parent;
  command.categories = info.categories;
  command.learned = true;
  for (const CommandFacts& each : info.subcommands) {
    command.subcommands.push_back(&Make(each, each.name, lacking, &command).command);
  }
  return *learned_.emplace_back(std::move(made));
}

void ModuleCommands::Forget(Bytes name, TimePoint now) {
  std::string lower = Lowercase(name);
  const MutexLock lock(mutex_);
  if (LearnedAs(lower) != nullptr) return;
  if (absent_.size() >= kMostAbsent) absent_.clear();
  absent_[std::move(lower)] = now + kAbsentFor;
}

const Command* ModuleCommands::Learn(Bytes name, Bytes reply) {
  const std::string lower = Lowercase(name);
  const std::vector<ReplyElement> infos = ReadArray(reply);
  const std::optional<CommandFacts> info =
      infos.size() == 1 ? ReadCommandFacts(infos[0]) : std::nullopt;
  const MutexLock lock(mutex_);
  if (const Command* known = LearnedAs(lower)) return known;
  return info ? LearnOne(*info, lower, "") : nullptr;
}

// Seldom: when a shard says something new.
Command* ModuleCommands::MadeOf(const CommandFacts& info, const std::string& lower,
                                const std::string& lacking) {
  for (const std::unique_ptr<Entry>& made : learned_) {
    const bool same = made->command.parent == nullptr && made->name == lower &&
                      made->said == info.said && made->lacking == lacking;
    if (same) return &made->command;
  }
  if (learned_.size() >= kMostLearned) return nullptr;
  return &Make(info, lower, lacking, nullptr).command;
}

const Command* ModuleCommands::LearnOne(const CommandFacts& info, const std::string& lower,
                                        const std::string& lacking) {
  Command* command = MadeOf(info, lower, lacking);
  if (command == nullptr) return nullptr;
  by_name_[lower] = command;
  absent_.erase(lower);
  if (OperatorCommand* said = OfOperator(lower)) said->command.rights = command;
  return command;
}

void ModuleCommands::LearnAll(const AgreedCommands& agreed) {
  const MutexLock lock(mutex_);
  for (const auto& [name, facts] : agreed.known) LearnOne(facts, name, "");
  for (const auto& [name, missing] : agreed.known_to_some) {
    LearnOne(missing.facts, name, missing.shard);
  }
  arities_ = agreed.arities;
}

int ModuleCommands::ArityOf(const Command& command) const {
  const MutexLock lock(mutex_);
  const auto newer = arities_.find(&command);
  return newer == arities_.end() ? command.row->arity : newer->second;
}

bool ModuleCommands::FitsShards(const Command& command, size_t args) const {
  // What a shard or the operator said is theirs already.
  if (table_.BuiltIn(command.full_name) != &command) return false;
  const MutexLock lock(mutex_);
  const auto newer = arities_.find(&command);
  return newer != arities_.end() && Command::Fits(newer->second, args);
}

}  // namespace ringmaster
