#include "config/yaml_mistakes.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace ringmaster {
namespace {

struct Line {
  int number = 0;
  size_t indent = 0;         // spaces, and tabs, in front
  bool tab = false;          // one of them is a tab
  Bytes text;                // behind the indentation, without comment and trailing spaces
  std::vector<size_t> keys;  // columns, from 0, of what may go on below: each "- " and the key
  bool opens = false;        // ends with a colon or a dash: what belongs to it stands below
};

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

Bytes WithoutComment(Bytes text) {
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || IsBlank(text[i - 1]))) {
      text = text.substr(0, i);
      break;
    }
  }
  while (!text.empty() && (IsBlank(text.back()) || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// The end of a key: a colon with a blank or nothing behind it; npos: the text is no key.
size_t KeyEnd(Bytes text) {
  const char quote = !text.empty() && (text[0] == '"' || text[0] == '\'') ? text[0] : 0;
  size_t from = 0;
  if (quote != 0) {
    from = text.find(quote, 1);
    if (from == Bytes::npos) return Bytes::npos;
  }
  for (size_t i = from; i < text.size(); ++i) {
    if (text[i] == ':' && (i + 1 == text.size() || IsBlank(text[i + 1]))) return i;
  }
  return Bytes::npos;
}

Line Look(Bytes raw, int number) {
  Line line;
  line.number = number;
  while (line.indent < raw.size() && IsBlank(raw[line.indent])) {
    line.tab = line.tab || raw[line.indent] == '\t';
    ++line.indent;
  }
  line.text = WithoutComment(raw.substr(line.indent));
  size_t column = line.indent;
  Bytes rest = line.text;
  while (rest.size() >= 2 && rest[0] == '-' && IsBlank(rest[1])) {
    line.keys.push_back(column);
    const size_t next = std::min(rest.find_first_not_of(" \t", 1), rest.size());
    column += next;
    rest.remove_prefix(next);
  }
  const size_t end = KeyEnd(rest);
  if (end != Bytes::npos) {
    line.keys.push_back(column);
    line.opens = end + 1 == rest.size();
  } else if (rest == "-") {
    line.keys.push_back(column);
    line.opens = true;
  }
  return line;
}

// The line `stopped`, and those above it that are not empty, the nearest first.
std::vector<Line> LinesUpTo(Bytes text, int stopped) {
  std::vector<Line> lines;
  int number = 1;
  for (size_t start = 0; start <= text.size() && number <= stopped; ++number) {
    const size_t end = std::min(text.find('\n', start), text.size());
    Line line = Look(text.substr(start, end - start), number);
    if (!line.text.empty() || number == stopped) lines.push_back(std::move(line));
    start = end + 1;
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

YamlMistake Indented(const Line& line, const std::string& what) {
  return {{line.number, static_cast<int>(line.indent) + 1}, "wrong indentation: " + what};
}

// Whether a line may begin where this one does, by those above it.
std::optional<YamlMistake> LookAtIndentation(const std::vector<Line>& lines) {
  const Line& line = lines[0];
  if (lines.size() < 2 || line.keys.empty()) return std::nullopt;
  const Line& above = lines[1];
  if (above.keys.empty()) return std::nullopt;
  const std::string here = fmt::format("the line begins in column {}", line.indent + 1);
  if (line.indent > above.keys.back()) {
    if (above.opens) return std::nullopt;
    return Indented(line, fmt::format("{}, deeper than line {}, which is complete; begin in column "
                                      "{} to go on behind it",
                                      here, above.number, above.keys.back() + 1));
  }
  // Where something is still open: what begins left of all lines between.
  std::vector<size_t> open;
  size_t leftmost = SIZE_MAX;
  for (size_t i = 1; i < lines.size() && leftmost > 0; ++i) {
    for (auto key = lines[i].keys.rbegin(); key != lines[i].keys.rend(); ++key) {
      if (*key < leftmost) open.push_back(*key);
      leftmost = std::min(leftmost, *key);
    }
  }
  if (std::find(open.begin(), open.end(), line.indent) != open.end()) return std::nullopt;
  std::sort(open.begin(), open.end());
  std::string columns;
  for (size_t i = 0; i < open.size(); ++i) {
    columns += (i == 0 ? "" : i + 1 == open.size() ? " or " : ", ") + std::to_string(open[i] + 1);
  }
  return Indented(
      line, fmt::format("{}, where no line above it does; begin in column {}", here, columns));
}

// "workers:4", "workers 4".
std::optional<YamlMistake> LookAtColon(const std::vector<Line>& lines, int column) {
  for (size_t i = 0; i < lines.size() && i < 2; ++i) {
    const Line& line = lines[i];
    if (!line.keys.empty() || line.text.empty()) continue;
    // Lists and texts over several lines look like that, too.
    if (line.text.find_first_of(",[]{}'\"|>") != Bytes::npos) continue;
    const auto is_letter = [](char c) {
      return (ToLower(c) >= 'a' && ToLower(c) <= 'z') || c == '_';
    };
    const size_t end = static_cast<size_t>(
        std::find_if_not(line.text.begin(), line.text.end(), is_letter) - line.text.begin());
    if (end == 0 || end >= line.text.size()) continue;
    if (i == 0 && column <= static_cast<int>(line.indent)) continue;
    if (line.text[end] != ':' && line.text[end] != ' ') continue;
    return YamlMistake{
        {line.number, static_cast<int>(line.indent + end) + 1},
        fmt::format("a colon and a space belong behind '{}'", line.text.substr(0, end))};
  }
  return std::nullopt;
}

}  // namespace

std::optional<YamlMistake> NameYamlMistake(Bytes text, Position stopped) {
  const std::vector<Line> lines = LinesUpTo(text, stopped.line);
  if (lines.empty()) return std::nullopt;
  for (size_t i = 0; i < lines.size() && i < 2; ++i) {
    if (!lines[i].tab) continue;
    return YamlMistake{{lines[i].number, 1},
                       "a tab stands in the indentation: YAML takes spaces only there"};
  }
  if (auto mistake = LookAtColon(lines, stopped.column)) return mistake;
  return LookAtIndentation(lines);
}

}  // namespace ringmaster
