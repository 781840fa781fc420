// The `commands` of the configuration: rows of the operator's own.
#include <algorithm>

#include "base/bytes.h"
#include "config/parse.h"

namespace ringmaster {
namespace {

constexpr size_t kMaxCommands = 1000;
constexpr int kFarthest = 1000;  // position of a key, and number of arguments
constexpr Bytes kServices[] = {"forward", "every_shard", "sum", "concat", "refuse"};

bool IsName(Bytes name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

using Keys = CommandConfig::Keys;

std::optional<Keys> ParseKeys(Section& command) {
  const YamlValue* value = command.Find("keys");
  if (value == nullptr) return std::nullopt;
  Keys keys;
  if (value->kind == YamlValue::Kind::kMap) {
    Section section(value, command.PathOf("keys"), command.problems());
    section.ReadInteger("first", 1, kFarthest, keys.first);
    keys.last = keys.first;
    section.ReadInteger("last", -kFarthest, kFarthest, keys.last);
    section.ReadInteger("step", 1, kFarthest, keys.step);
    if (keys.first == 0) {
      section.Complain("'first' is missing: the position of the first key, 1 behind the command");
    } else if (keys.last >= 0 && keys.last < keys.first) {
      section.Complain(
          "'last' is before 'first': negative ones count from the end, -1 is the last");
    }
    return keys;
  }
  if (value->text == "none") return keys;
  keys.said_by_shard = value->text == "shard";
  if (keys.said_by_shard) return keys;
  const auto position = value->quoted ? std::nullopt : ParseInteger(value->text);
  if (!position || *position < 1 || *position > kFarthest) {
    command.Complain(
        *value, "keys",
        "write the position of its only key, {first: 1, last: -1, step: 1}, shard when "
        "only a shard can tell, or none");
    return std::nullopt;
  }
  keys.first = keys.last = static_cast<int>(*position);
  return keys;
}

CommandConfig ParseCommand(const std::string& name, const YamlValue& value, const std::string& path,
                           Problems& problems) {
  CommandConfig command;
  command.name = name;
  Section section(&value, path, problems);
  if (const YamlValue* serve = section.FindText("serve")) {
    const int index = section.Choose(*serve, kServices, section.PathOf("serve"));
    if (index >= 0) command.serve = static_cast<CommandService>(index);
  }
  command.keys = ParseKeys(section);
  if (section.Find("write") != nullptr) {
    bool write = true;
    section.Read("write", write);
    command.write = write;
  }
  if (const YamlValue* arity = section.FindText("arity")) {
    int count = 0;
    section.ReadInteger("arity", -kFarthest, kFarthest, count);
    if (count == 0) {
      section.Complain(*arity, "arity",
                       "write how many arguments it has with its name, or -3 for 3 and more");
    }
    command.arity = count;
  }
  if (const YamlValue* why = section.FindText("why")) {
    section.Read("why", command.why, 200);
    if (command.serve != CommandService::kRefuse) {
      section.Complain(*why, "why", "goes only with 'serve: refuse'");
    }
  }
  return command;
}

}  // namespace

std::vector<CommandConfig> ParseCommands(Section& root) {
  std::vector<CommandConfig> commands;
  const YamlValue* value = root.Find("commands");
  if (value == nullptr || value->kind == YamlValue::Kind::kNull) return commands;
  Problems& problems = root.problems();
  if (value->kind != YamlValue::Kind::kMap) {
    problems.Add(value->at,
                 "commands: a map of commands belongs here, such as {FT.GET: {keys: 1}}");
    return commands;
  }
  if (value->keys.size() > kMaxCommands) {
    problems.Add(value->at,
                 "commands: there are more than 1000; leave out what the shards tell "
                 "of themselves");
    return commands;
  }
  for (size_t i = 0; i < value->keys.size(); ++i) {
    const std::string name = Uppercase(value->keys[i].text);
    const std::string path = "commands." + Printable(name, 64);
    const bool twice = std::any_of(commands.begin(), commands.end(),
                                   [&](const CommandConfig& other) { return other.name == name; });
    if (!IsName(name)) {
      problems.Add(value->keys[i].at, path + ": this is no command's name");
    } else if (twice) {
      problems.Add(value->keys[i].at, path + ": the command is there twice: remove one of them");
    } else {
      commands.push_back(ParseCommand(name, value->values[i], path, problems));
    }
  }
  return commands;
}

}  // namespace ringmaster
