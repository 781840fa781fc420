#include "command/table/command_facts.h"

#include "command/table/categories.h"
#include "command/table/row.h"

namespace ringmaster {
namespace {

// Positions and counts beyond it make no sense.
constexpr int64_t kFarthest = 1000;
constexpr size_t kMostSubcommands = 256;
constexpr size_t kLongestName = 64;

using Spec = CommandFacts::Spec;

std::vector<ReplyElement> ElementsOf(const ReplyElement& aggregate) {
  return aggregate.is_aggregate() ? ReadArray(aggregate.raw) : std::vector<ReplyElement>();
}

bool Fits(const ReplyElement& number) {
  return number.type == ':' && number.count >= -kFarthest && number.count <= kFarthest;
}

// The value behind a name in a map, which RESP2 sends as an array; type 0: it is not there.
ReplyElement ValueOf(const std::vector<ReplyElement>& map, Bytes name) {
  for (size_t i = 0; i + 1 < map.size(); i += 2) {
    if (map[i].text == name) return map[i + 1];
  }
  return {};
}

// The number behind a name; 0 with `sensible` cleared when there is none.
int16_t NumberOf(const std::vector<ReplyElement>& map, Bytes name, bool& sensible) {
  const ReplyElement value = ValueOf(map, name);
  sensible = sensible && Fits(value);
  return Fits(value) ? static_cast<int16_t>(value.count) : int16_t{0};
}

bool HasWord(const std::vector<ReplyElement>& words, Bytes word) {
  for (const ReplyElement& each : words) {
    if (each.text == word) return true;
  }
  return false;
}

// Whether it is told where the search begins, in a way that we know.
bool ReadBegin(const ReplyElement& begin, Spec& read) {
  const std::vector<ReplyElement> search = ElementsOf(begin);
  const std::vector<ReplyElement> spec = ElementsOf(ValueOf(search, "spec"));
  const Bytes type = ValueOf(search, "type").text;
  bool known = true;
  if (type == "index") {
    read.spec.begin = KeySpec::Begin::kIndex;
    read.spec.index = NumberOf(spec, "index", known);
    return known && read.spec.index > 0;
  }
  read.spec.begin = KeySpec::Begin::kKeyword;
  read.spec.index = NumberOf(spec, "startfrom", known);
  read.keyword = std::string(ValueOf(spec, "keyword").text);
  return known && type == "keyword" && !read.keyword.empty() && read.spec.index != 0;
}

bool ReadFind(const ReplyElement& find, Spec& read) {
  const std::vector<ReplyElement> keys = ElementsOf(find);
  const std::vector<ReplyElement> spec = ElementsOf(ValueOf(keys, "spec"));
  const Bytes type = ValueOf(keys, "type").text;
  bool known = true;
  read.spec.step = NumberOf(spec, "keystep", known);
  if (read.spec.step < 1) return false;
  if (type == "range") {
    read.spec.find = KeySpec::Find::kRange;
    read.spec.last = NumberOf(spec, "lastkey", known);
    read.spec.limit = NumberOf(spec, "limit", known);
    return known && read.spec.limit >= 0;
  }
  read.spec.find = KeySpec::Find::kCounted;
  const int16_t count = NumberOf(spec, "keynumidx", known);
  const int16_t first = NumberOf(spec, "firstkey", known);
  read.spec.last = static_cast<int16_t>(first - 1);
  return known && type == "keynum" && count == 0 && first >= 1;
}

// Puts the specification into `info`; one that we do not understand makes it inexact.
void ReadSpec(const ReplyElement& element, CommandFacts& info) {
  const std::vector<ReplyElement> parts = ElementsOf(element);
  const std::vector<ReplyElement> flags = ElementsOf(ValueOf(parts, "flags"));
  // Channels, and keys that only Redis Cluster looks at.
  if (HasWord(flags, "not_key")) return;
  Spec read;
  read.notes = ValueOf(parts, "notes").text;
  for (const ReplyElement& flag : flags) {
    read.access += (read.access.empty() ? "" : " ") + std::string(flag.text);
  }
  const bool understood = ReadBegin(ValueOf(parts, "begin_search"), read) &&
                          ReadFind(ValueOf(parts, "find_keys"), read) &&
                          info.specs.size() < std::size(Row().specs);
  if (!understood || HasWord(flags, "incomplete") || HasWord(flags, "variable_flags")) {
    info.exact = false;
  }
  if (understood) info.specs.push_back(std::move(read));
}

// Of Redis 6, and of modules that say no more.
bool ReadRange(const std::vector<ReplyElement>& entry, CommandFacts& info) {
  for (size_t i = 3; i < 6; ++i) {
    if (!Fits(entry[i])) return false;
  }
  const int64_t first = entry[3].count, last = entry[4].count, step = entry[5].count;
  if (first < 0 || (first > 0 && (step < 1 || (last >= 0 && last < first)))) return false;
  if (first == 0 || !info.specs.empty() || !info.exact) return true;
  Spec read;
  read.access = (info.flags & kWrite) != 0 ? "RW access update" : "RO access";
  read.spec = KeyRangeOf(first, last, step);
  info.specs.push_back(std::move(read));
  return true;
}

void ReadSpecs(const ReplyElement& specs, CommandFacts& info) {
  for (const ReplyElement& spec : ElementsOf(specs)) ReadSpec(spec, info);
}

std::optional<CommandFacts> Read(const ReplyElement& element, bool subcommand) {
  const std::vector<ReplyElement> entry = ElementsOf(element);
  if (entry.size() < 6 || entry[0].text.empty() || entry[0].text.size() > kLongestName * 2 ||
      !Fits(entry[1]) || entry[1].count == 0 || !entry[2].is_aggregate()) {
    return std::nullopt;
  }
  CommandFacts info;
  info.name = Lowercase(entry[0].text);
  if (subcommand) info.name.erase(0, info.name.find('|') + 1);
  info.arity = static_cast<int>(entry[1].count);
  for (const ReplyElement& flag : ElementsOf(entry[2])) info.flags |= RowFlagNamed(flag.text);
  if (entry.size() > 6) {
    for (const ReplyElement& category : ElementsOf(entry[6])) {
      if (category.text.starts_with('@')) info.categories |= CategoryBit(category.text.substr(1));
    }
  }
  if (entry.size() > 8) ReadSpecs(entry[8], info);
  if (!ReadRange(entry, info)) return std::nullopt;
  if (entry.size() <= 9 || subcommand) return info;
  for (const ReplyElement& each : ElementsOf(entry[9])) {
    std::optional<CommandFacts> read = Read(each, true);
    if (!read || info.subcommands.size() >= kMostSubcommands) return std::nullopt;
    info.subcommands.push_back(std::move(*read));
  }
  return info;
}

}  // namespace

std::optional<CommandFacts> ReadCommandFacts(const ReplyElement& entry) {
  std::optional<CommandFacts> facts = Read(entry, false);
  if (facts) facts->said = entry.raw;
  return facts;
}

}  // namespace ringmaster
