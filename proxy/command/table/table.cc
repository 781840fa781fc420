#include "command/table/table.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "command/table/categories.h"
#include "command/table/operator_rows.h"

namespace ringmaster {
namespace {

uint64_t Load8(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}
uint64_t Load4(const char* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

// Setting the case bit folds letters to lower case, but also a few other characters together: a
// name of letters that is covered as a whole is told by its fold alone, others are compared too.
bool IsToldByFold(Bytes name) {
  return name.size() <= 16 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

}  // namespace

// As Redis derives first, last and step for COMMAND's reply from the specifications.
void DeriveKeySpan(Command& command) {
  const Row& row = *command.row;
  const auto is_range = [](const KeySpec& spec) {
    return spec.begin == KeySpec::Begin::kIndex && spec.find == KeySpec::Find::kRange;
  };
  size_t specs = 0;
  while (specs < std::size(row.specs) && row.specs[specs].begin != KeySpec::Begin::kNone) ++specs;
  if (specs == 0) return;
  if (specs == 1) {
    if (!is_range(row.specs[0])) return;
    command.first_key = row.specs[0].index;
    command.last_key =
        row.specs[0].last < 0 ? row.specs[0].last : row.specs[0].index + row.specs[0].last;
    command.key_step = row.specs[0].step;
    // Where the arity lets a call end before its key, the key has to be looked for.
    const bool always_there = row.specs[0].index < std::abs(row.arity);
    if (row.specs[0].last == 0 && always_there &&
        std::strstr(row.specs[0].access, "not_key") == nullptr) {
      command.single_key = static_cast<uint32_t>(command.first_key);
      command.by_key_alone = row.plan.kind == PlanKind::kForward && row.except.applies == nullptr &&
                             !command.Is(kRunsScript);
    }
    return;
  }
  int first = std::numeric_limits<int>::max();
  unsigned last = 0;
  int previous = 0;
  for (size_t i = 0; i < specs; ++i) {
    const KeySpec& spec = row.specs[i];
    if (!is_range(spec)) continue;
    if (spec.step != 1) return;
    if (previous != 0 && previous != spec.index - 1) return;
    first = std::min<int>(first, spec.index);
    const int end = spec.last < 0 ? spec.last : spec.index + spec.last;
    last = std::max(last, static_cast<unsigned>(end));
    previous = end;
  }
  if (first == std::numeric_limits<int>::max()) return;
  command.first_key = first;
  command.last_key = static_cast<int>(last);
  command.key_step = 1;
}

bool CountsForClients(const Row& row) {
  constexpr uint32_t kNot = kAdmin | kHidden | kBlocking | kWaits | kPubSub;
  const PlanKind plan = row.plan.kind;
  return (row.flags & kNot) == 0 && plan != PlanKind::kLocal && plan != PlanKind::kRefuse &&
         std::strstr(row.categories, "dangerous") == nullptr;
}

// The first and the last eight bytes, which may overlap.
CommandTable::Fold CommandTable::FoldOf(Bytes name) {
  constexpr uint64_t kCase = 0x2020202020202020ULL;
  const char* begin = name.data();
  const size_t size = name.size();
  Fold fold{.size = size};
  if (size >= 8) {
    fold.first = Load8(begin);
    fold.last = Load8(begin + size - 8);
  } else if (size >= 4) {
    fold.first = Load4(begin);
    fold.last = Load4(begin + size - 4);
  } else if (size > 0) {
    fold.first = static_cast<unsigned char>(begin[0]);
    fold.last = static_cast<uint64_t>(static_cast<unsigned char>(begin[size / 2])) << 8 |
                static_cast<unsigned char>(begin[size - 1]);
  }
  fold.first |= kCase;
  fold.last |= kCase;
  return fold;
}

size_t CommandTable::PlaceOf(const Fold& fold) const {
  uint64_t hash = (fold.first + fold.size) * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ hash >> 32 ^ fold.last) * 0xbf58476d1ce4e5b9ULL;
  return (hash ^ hash >> 32) & (places_.size() - 1);
}

CommandTable::CommandTable(const CommandSet& commands) : recipes_(commands.recipes) {
  size_t count = 0;
  for (const Family& family : commands.families) {
    for (const Row& row : family.rows) Add(row, nullptr);
    count += family.rows.size();
  }
  places_ = std::vector<Place>(std::bit_ceil(count * 2));
  for (const auto& command : all_) {
    if (command->parent != nullptr) continue;
    const Bytes name = command->full_name;
    RM_CHECK(Lookup(name) == nullptr);
    const Fold fold = FoldOf(name);
    size_t at = PlaceOf(fold);
    while (places_[at].built_in != nullptr) at = (at + 1) & (places_.size() - 1);
    places_[at].fold = fold;
    places_[at].command = command.get();
    places_[at].built_in = command.get();
    places_[at].told_by_fold = IsToldByFold(name);
  }
}

Command* CommandTable::Add(const Row& row, Command* parent) {
  auto command = std::make_unique<Command>();
  command->row = &row;
  command->id = static_cast<uint32_t>(all_.size());
  command->parent = parent;
  command->full_name = parent == nullptr ? row.name : parent->full_name + "|" + row.name;
  command->categories = CategoriesOf(row);
  DeriveKeySpan(*command);
  command->of_clients = CountsForClients(row);
  Command* added = command.get();
  all_.push_back(std::move(command));
  for (const Row& subcommand : row.subcommands) {
    added->subcommands.push_back(Add(subcommand, added));
  }
  return added;
}

const CommandTable::Place* CommandTable::Lookup(Bytes name) const {
  const Fold fold = FoldOf(name);
  for (size_t at = PlaceOf(fold);; at = (at + 1) & (places_.size() - 1)) {
    const Place& place = places_[at];
    if (place.built_in == nullptr) return nullptr;
    if (place.fold == fold &&
        (place.told_by_fold || EqualsIgnoreCase(place.built_in->full_name, name))) {
      return &place;
    }
  }
}

void CommandTable::Replace(std::shared_ptr<const OperatorCommands> rows) {
  for (Place& place : places_) {
    const Command* wanted = place.built_in;
    for (const auto& row : *rows) {
      if (row->replaced != nullptr && row->replaced == place.built_in) wanted = &row->command;
    }
    if (place.command.load(std::memory_order_relaxed) != wanted) place.command = wanted;
  }
  if (!rows->empty()) replacing_.push_back(std::move(rows));
}

const Command* CommandTable::Find(std::span<const Bytes> args) const {
  const Place* place = Lookup(args[0]);
  if (place == nullptr) return nullptr;
  return Subcommand(*place->command.load(std::memory_order_acquire), args);
}

const Command* CommandTable::Subcommand(const Command& command, std::span<const Bytes> args) {
  if (command.subcommands.empty() || args.size() < 2) return &command;
  for (const Command* subcommand : command.subcommands) {
    if (EqualsIgnoreCase(args[1], subcommand->row->name)) return subcommand;
  }
  return &command;
}

const Command* CommandTable::FindByName(Bytes full_name) const {
  const size_t bar = full_name.find('|');
  if (bar == Bytes::npos) return Find({&full_name, 1});
  const Bytes names[] = {full_name.substr(0, bar), full_name.substr(bar + 1)};
  const Command* command = Find(names);
  return command != nullptr && command->parent != nullptr ? command : nullptr;
}

const Command* CommandTable::BuiltIn(Bytes full_name) const {
  if (full_name.find('|') != Bytes::npos) return FindByName(full_name);
  const Place* place = Lookup(full_name);
  return place == nullptr ? nullptr : place->built_in;
}

}  // namespace ringmaster
