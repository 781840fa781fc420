#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/units.h"

namespace ringmaster {
namespace {

constexpr size_t kLongestName = 64;

// Edits (insert, remove, replace one character or swap two neighbours) from `a` to `b`, both at
// most kLongestName long: the optimal string alignment distance.
size_t EditDistance(Bytes a, Bytes b) {
  size_t rows[3][kLongestName + 1];  // of i - 2, i - 1 and i characters of `a`
  for (size_t i = 0; i <= a.size(); ++i) {
    size_t* const row = rows[i % 3];
    const size_t* const above = rows[(i + 2) % 3];
    const size_t* const before = rows[(i + 1) % 3];
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        row[j] = i + j;
        continue;
      }
      const auto same = [&](size_t x, size_t y) { return ToLower(a[x]) == ToLower(b[y]); };
      row[j] =
          std::min({above[j - 1] + (same(i - 1, j - 1) ? 0 : 1), above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && same(i - 1, j - 2) && same(i - 2, j - 1)) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return rows[a.size() % 3][b.size()];
}

const char* KindName(const YamlValue& value) {
  switch (value.kind) {
    case YamlValue::Kind::kNull:
      return "nothing";
    case YamlValue::Kind::kText:
      return value.quoted ? "a quoted text" : "a plain value";
    case YamlValue::Kind::kList:
      return "a list";
    case YamlValue::Kind::kMap:
      return "a map";
  }
  return "nothing";
}

bool HasControlCharacter(Bytes text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
}

}  // namespace

Bytes ClosestName(Bytes name, std::span<const Bytes> names) {
  Bytes closest;
  if (name.size() > kLongestName) return closest;
  size_t best = std::max<size_t>(1, name.size() / 3) + 1;  // a third of the letters may be wrong
  for (const Bytes candidate : names) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best) {
      best = distance;
      closest = candidate;
    }
  }
  return closest;
}

std::string Listed(std::span<const Bytes> names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += names[i];
  }
  return text;
}

Section::Section(const YamlValue* value, std::string path, Problems& problems)
    : path_(std::move(path)), problems_(problems) {
  if (value == nullptr) return;
  at_ = value->at;
  if (value->kind == YamlValue::Kind::kMap) {
    map_ = value;
  } else if (value->kind != YamlValue::Kind::kNull) {
    readable_ = false;
    Complain(fmt::format("a map of keys belongs here, not {}", KindName(*value)));
  }
}

Section::~Section() {
  if (map_ == nullptr) return;
  for (const YamlValue& key : map_->keys) {
    if (std::find(known_.begin(), known_.end(), key.text) != known_.end()) continue;
    const Bytes closest = ClosestName(key.text, known_);
    problems_.Add(
        key.at,
        fmt::format("unknown key '{}'{}: {}", Printable(key.text, kLongestName),
                    path_.empty() ? "" : " in " + path_,
                    closest.empty() ? (known_.empty() ? "remove it" : "known are " + Listed(known_))
                                    : fmt::format("did you mean '{}'?", closest)));
  }
}

const YamlValue* Section::Find(Bytes key) {
  known_.push_back(key);
  if (map_ == nullptr) return nullptr;
  for (size_t i = 0; i < map_->keys.size(); ++i) {
    if (map_->keys[i].text == key) return &map_->values[i];
  }
  return nullptr;
}

const YamlValue* Section::FindText(Bytes key) {
  const YamlValue* value = Find(key);
  if (value == nullptr || value->kind == YamlValue::Kind::kText) return value;
  Complain(*value, key,
           value->kind == YamlValue::Kind::kNull
               ? "the value is missing: write one, or leave the key out for its default"
               : fmt::format("one value belongs here, not {}", KindName(*value)));
  return nullptr;
}

void Section::Read(Bytes key, bool& out) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return;
  if (value->quoted || (value->text != "true" && value->text != "false")) {
    Complain(*value, key, fmt::format("write true or false, not '{}'", Printable(value->text, 64)));
    return;
  }
  out = value->text == "true";
}

void Section::Read(Bytes key, std::string& out, size_t max_size) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return;
  if (value->text.size() > max_size) {
    Complain(*value, key, fmt::format("the text is longer than {} bytes", max_size));
  } else if (HasControlCharacter(value->text)) {
    Complain(*value, key, "the text holds a control character");
  } else {
    out = value->text;
  }
}

bool Section::ReadInt64(Bytes key, int64_t min, int64_t max, int64_t& out) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return false;
  const auto number = value->quoted ? std::nullopt : ParseInteger(value->text);
  if (!number || *number < min || *number > max) {
    Complain(*value, key,
             fmt::format("write a whole number from {} to {}, not {}{}{}", min, max,
                         value->quoted ? "\"" : "'", Printable(value->text, 64),
                         value->quoted ? "\" in quotes" : "'"));
    return false;
  }
  out = *number;
  return true;
}

void Section::ReadNumber(Bytes key, double min, double max, double& out) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return;
  const auto number = value->quoted ? std::nullopt : ParseDouble(value->text);
  if (!number || *number < min || *number > max) {
    Complain(*value, key,
             fmt::format("write a number from {} to {}, not '{}'", min, max,
                         Printable(value->text, 64)));
    return;
  }
  out = *number;
}

void Section::ReadDuration(Bytes key, Duration min, Duration max, Duration& out) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return;
  const Result<Duration> duration = ParseDuration(value->text);
  if (!duration) {
    Complain(*value, key, duration.error().text);
  } else if (*duration < min || *duration > max) {
    Complain(*value, key,
             fmt::format("'{}' is not within {} to {}", value->text, FormatDuration(min),
                         FormatDuration(max)));
  } else {
    out = *duration;
  }
}

void Section::ReadSize(Bytes key, uint64_t min, uint64_t max, uint64_t& out, bool zero_is_fine) {
  const YamlValue* value = FindText(key);
  if (value == nullptr) return;
  const Result<uint64_t> size = ParseSize(value->text);
  if (!size) {
    Complain(*value, key, size.error().text);
  } else if ((*size < min || *size > max) && !(zero_is_fine && *size == 0)) {
    Complain(*value, key,
             fmt::format("'{}' is not {}within {} to {}", value->text, zero_is_fine ? "0 or " : "",
                         FormatSize(min), FormatSize(max)));
  } else {
    out = *size;
  }
}

std::vector<const YamlValue*> Section::FindTexts(Bytes key) {
  const YamlValue* value = Find(key);
  std::vector<const YamlValue*> texts;
  if (value == nullptr) return texts;
  std::span<const YamlValue> elements(value, 1);
  if (value->kind == YamlValue::Kind::kList) elements = value->values;
  for (const YamlValue& element : elements) {
    if (element.kind != YamlValue::Kind::kText) {
      Complain(element, key, fmt::format("a text belongs here, not {}", KindName(element)));
    } else if (element.text.empty() || element.text.size() > 4096 ||
               HasControlCharacter(element.text)) {
      Complain(element, key, "the text is empty, too long or holds a control character");
    } else {
      texts.push_back(&element);
    }
  }
  return texts;
}

std::string Section::PathOf(Bytes key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void Section::Complain(const YamlValue& value, Bytes key, const std::string& what) const {
  problems_.Add(value.at, PathOf(key) + ": " + what);
}

void Section::Complain(const std::string& what) const {
  problems_.Add(at_, (path_.empty() ? "" : path_ + ": ") + what);
}

int Section::Choose(const YamlValue& value, std::span<const Bytes> names,
                    const std::string& path) const {
  const auto found = std::find(names.begin(), names.end(), value.text);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  const Bytes closest = ClosestName(value.text, names);
  problems_.Add(value.at,
                fmt::format("{}: '{}' is unknown: {}", path, Printable(value.text, kLongestName),
                            closest.empty() ? "use " + Listed(names)
                                            : fmt::format("did you mean '{}'?", closest)));
  return -1;
}

}  // namespace ringmaster
