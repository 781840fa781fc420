#include "command/table/command_replies.h"

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "command/table/categories.h"
#include "command/table/keys.h"
#include "command/table/learned_rows.h"
#include "resp/errors.h"

namespace ringmaster {
namespace {

void WriteFlags(const Command& command, ReplyWriter& out) {
  std::vector<const char*> names;
  for (const FlagName& flag : FlagNames()) {
    if ((command.row->flags & flag.flag) != 0) names.push_back(flag.name);
  }
  out.Set(names.size());
  for (const char* name : names) out.Simple(name);
}

void WriteWords(Bytes text, ReplyWriter& out) {
  const std::vector<Bytes> words = Words(text);
  out.Set(words.size());
  for (const Bytes word : words) out.Simple(word);
}

void WriteCategories(const Command& command, ReplyWriter& out) {
  out.Set(static_cast<size_t>(std::popcount(command.categories)));
  for (const char* category : Categories()) {
    if ((command.categories & CategoryBit(category)) != 0) out.Simple("@" + std::string(category));
  }
}

void WriteBegin(const KeySpec& spec, ReplyWriter& out) {
  out.Bulk("begin_search");
  out.Map(2);
  out.Bulk("type");
  switch (spec.begin) {
    case KeySpec::Begin::kIndex:
      out.Bulk("index");
      out.Bulk("spec");
      out.Map(1);
      out.Bulk("index");
      out.Integer(spec.index);
      return;
    case KeySpec::Begin::kKeyword:
      out.Bulk("keyword");
      out.Bulk("spec");
      out.Map(2);
      out.Bulk("keyword");
      out.Bulk(spec.keyword);
      out.Bulk("startfrom");
      out.Integer(spec.index);
      return;
    default:
      out.Bulk("unknown");
      out.Bulk("spec");
      out.Map(0);
  }
}

void WriteFind(const KeySpec& spec, ReplyWriter& out) {
  out.Bulk("find_keys");
  out.Map(2);
  out.Bulk("type");
  const auto number = [&out](const char* name, int64_t value) {
    out.Bulk(name);
    out.Integer(value);
  };
  switch (spec.find) {
    case KeySpec::Find::kRange:
      out.Bulk("range");
      out.Bulk("spec");
      out.Map(3);
      number("lastkey", spec.last);
      number("keystep", spec.step);
      number("limit", spec.limit);
      return;
    case KeySpec::Find::kCounted:
      out.Bulk("keynum");
      out.Bulk("spec");
      out.Map(3);
      number("keynumidx", 0);
      number("firstkey", 1 + spec.last);
      number("keystep", spec.step);
      return;
    default:
      out.Bulk("unknown");
      out.Bulk("spec");
      out.Map(0);
  }
}

void WriteKeySpecs(const Row& row, ReplyWriter& out) {
  size_t count = 0;
  while (count < std::size(row.specs) && row.specs[count].begin != KeySpec::Begin::kNone) ++count;
  out.Set(count);
  for (size_t i = 0; i < count; ++i) {
    const KeySpec& spec = row.specs[i];
    out.Map(spec.notes == nullptr ? 3 : 4);
    if (spec.notes != nullptr) {
      out.Bulk("notes");
      out.Bulk(spec.notes);
    }
    out.Bulk("flags");
    WriteWords(spec.access, out);
    WriteBegin(spec, out);
    WriteFind(spec, out);
  }
}

// With the operator's rows: those in place of built-in ones, then those added, then learned ones.
std::vector<const Command*> All(const CommandTable& table, const ModuleCommands* modules) {
  std::vector<const Command*> all;
  for (const auto& command : table.all()) {
    all.push_back(command->parent == nullptr ? table.FindByName(command->full_name)
                                             : command.get());
  }
  if (modules == nullptr) return all;
  const std::vector<const Command*> added = modules->AddedAndLearned();
  all.insert(all.end(), added.begin(), added.end());
  return all;
}

std::vector<const Command*> Shown(const CommandTable& table, const ModuleCommands* modules) {
  std::vector<const Command*> shown = All(table, modules);
  std::erase_if(shown, [](const Command* command) {
    return command->parent != nullptr || command->Is(kHidden);
  });
  return shown;
}

// Without hidden ones: what Redis would call its subcommands.
std::vector<const Command*> ShownSubcommands(const Command& command) {
  std::vector<const Command*> shown;
  for (const Command* subcommand : command.subcommands) {
    if (!subcommand->Is(kHidden)) shown.push_back(subcommand);
  }
  return shown;
}

// The command that Redis would find for these words; nullptr: none.
const Command* FindShown(const CommandTable& table, const ModuleCommands* modules,
                         std::span<const Bytes> args) {
  const Command* command = table.Find(args);
  if (command == nullptr && modules != nullptr) return modules->Known(args[0]);
  if (command == nullptr) return nullptr;
  if (command->parent != nullptr && !command->Is(kHidden)) return command;
  const Command* top = command->parent == nullptr ? command : command->parent;
  if (top->Is(kHidden)) return nullptr;
  // A container needs to know the second word; other commands take any.
  return args.size() > 1 && !ShownSubcommands(*top).empty() ? nullptr : top;
}

}  // namespace

void WriteCommandInfo(const Command* command, ReplyWriter& out, const ModuleCommands* modules) {
  if (command == nullptr || command->Is(kHidden)) return out.Null();
  const Row& row = *command->row;
  out.Array(10);
  out.Bulk(command->full_name);
  out.Integer(modules != nullptr ? modules->ArityOf(*command) : row.arity);
  WriteFlags(*command, out);
  out.Integer(command->first_key);
  out.Integer(command->last_key);
  out.Integer(command->key_step);
  WriteCategories(*command, out);
  const std::vector<Bytes> tips = Words(row.tips);
  out.Set(tips.size());
  for (const Bytes tip : tips) out.Bulk(tip);
  WriteKeySpecs(row, out);
  const std::vector<const Command*> shown = ShownSubcommands(*command);
  if (shown.empty()) return out.Set(0);
  out.Array(shown.size());
  for (const Command* subcommand : shown) WriteCommandInfo(subcommand, out, modules);
}

void WriteCommands(const CommandTable& table, ReplyWriter& out, const ModuleCommands* modules) {
  const std::vector<const Command*> shown = Shown(table, modules);
  out.Array(shown.size());
  for (const Command* command : shown) WriteCommandInfo(command, out, modules);
}

size_t CountCommands(const CommandTable& table, const ModuleCommands* modules) {
  return Shown(table, modules).size();
}

void WriteCommandKeys(const CommandTable& table, std::span<const Bytes> args, bool with_flags,
                      ReplyWriter& out, const ModuleCommands* modules) {
  const Command* command = FindShown(table, modules, args);
  if (command == nullptr) return out.Error("ERR Invalid command specified");
  if (!HasKeys(*command->row)) return out.Error("ERR The command has no key arguments");
  if (!ArityFits(modules, *command, args.size())) {
    return out.Error("ERR Invalid number of arguments specified for command");
  }
  std::vector<uint32_t> positions;
  std::vector<const char*> access;
  FoundKeys found{positions, &access};
  ListKeys(*command->row, args, found);
  if (positions.empty() && !command->Is(kNoMandatoryKeys)) {
    return out.Error("ERR Invalid arguments specified for command");
  }
  out.Array(positions.size());
  for (size_t i = 0; i < positions.size(); ++i) {
    if (with_flags) out.Array(2);
    out.Bulk(args[positions[i]]);
    if (with_flags) WriteWords(access[i], out);
  }
}

void WriteCommandList(const CommandTable& table, std::span<const Bytes> filter, ReplyWriter& out,
                      const ModuleCommands* modules) {
  const bool filtered = filter.size() == 3 && EqualsIgnoreCase(filter[0], "filterby");
  const auto is_by = [&](Bytes kind) { return filtered && EqualsIgnoreCase(filter[1], kind); };
  const bool by_category = is_by("aclcat");
  const bool by_pattern = is_by("pattern");
  // The proxy does not know of which module a command is.
  const bool by_module = is_by("module");
  if (!filter.empty() && !by_category && !by_pattern && !by_module) {
    out.out() += errors::Syntax();
    return;
  }
  std::vector<Bytes> names;
  for (const Command* command : All(table, modules)) {
    if (command->Is(kHidden) || by_module) continue;
    if (by_category && (command->judged().categories & CategoryBit(filter[2])) == 0) continue;
    if (by_pattern && !GlobMatch(filter[2], command->full_name, true)) continue;
    names.push_back(command->full_name);
  }
  out.Array(names.size());
  for (const Bytes name : names) out.Bulk(name);
}

std::vector<Bytes> NamesInCategory(const CommandTable& table, const ModuleCommands* modules,
                                   uint32_t category) {
  std::vector<Bytes> names;
  const auto add = [&](const Command& command) {
    if (!command.Is(kHidden) && (command.categories & category) != 0) {
      names.push_back(command.full_name);
    }
  };
  for (const auto& command : table.all()) add(*command);
  if (modules == nullptr) return names;
  for (const Command* command : modules->AddedAndLearned()) add(command->judged());
  return names;
}

}  // namespace ringmaster
