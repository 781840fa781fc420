#include "config/config_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/file.h"

namespace ringmaster {
namespace {

// nullptr: `map` has no such key. Names of commands are in capitals however they are written.
const YamlValue* ValueOf(const YamlValue& map, const std::string& key) {
  for (size_t i = 0; i < map.keys.size(); ++i) {
    if (map.keys[i].text == key) return &map.values[i];
  }
  for (size_t i = 0; i < map.keys.size(); ++i) {
    if (EqualsIgnoreCase(map.keys[i].text, key)) return &map.values[i];
  }
  return nullptr;
}

const YamlValue* StepInto(const YamlValue& value, const std::string& step) {
  if (value.kind == YamlValue::Kind::kMap) return ValueOf(value, step);
  const auto index = ParseInteger(step);
  if (!index || *index < 0) return nullptr;
  // One that stands for a list of one.
  if (value.kind == YamlValue::Kind::kText) return *index == 0 ? &value : nullptr;
  const auto at = static_cast<size_t>(*index);
  return at < value.values.size() ? &value.values[at] : nullptr;
}

// How long a pipe may keep us waiting.
constexpr Duration kPatience = std::chrono::seconds(5);

bool BecomesReadable(int fd, TimePoint until) {
  pollfd wanted{fd, POLLIN, 0};
  const auto left = Milliseconds(std::max(until - MonotonicNow(), Duration(0)));
  if (poll(&wanted, 1, static_cast<int>(left)) > 0) return true;
  errno = ETIMEDOUT;
  return false;
}

// Of a file, or of a pipe; of what never ends or says nothing, not for ever.
Result<std::string> ReadAnyKind(const std::string& path) {
  const auto failed = [] { return Error{ErrorCode::kIo, std::strerror(errno)}; };
  const TimePoint until = MonotonicNow() + kPatience;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0) return failed();
  std::string text;
  ssize_t got = 0;
  // One more, so that ParseYaml sees what is too large.
  while (text.size() <= kMaxYamlText) {
    char part[65536];
    got = read(fd, part, sizeof(part));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && BecomesReadable(fd, until)) continue;
    if (got <= 0) break;
    text.append(part, static_cast<size_t>(got));
  }
  const int error = errno;
  close(fd);
  errno = error;
  if (got < 0) return failed();
  return text;
}

}  // namespace

std::string PathInWords(const ConfigFile::Path& path) {
  std::string words;
  for (const std::string& step : path) {
    const bool is_index = ParseInteger(step).has_value();
    if (is_index) {
      words += "[" + step + "]";
    } else {
      words += (words.empty() ? "" : ".") + Printable(step, 64);
    }
  }
  return words;
}

Result<ConfigFile> ConfigFile::Load(const std::string& path, FileKind kind) {
  const Result<std::string> text =
      kind == FileKind::kRegular ? ReadRegularFile(path, kMaxYamlText) : ReadAnyKind(path);
  if (text) return Parse(*text, path);
  return Error{ErrorCode::kIo,
               fmt::format("{}: cannot read the configuration: {}", path, text.error().text)};
}

ConfigFile ConfigFile::Of(Config config, std::string name) {
  ConfigFile file;
  file.name_ = std::move(name);
  file.config_ = std::move(config);
  return file;
}

Position ConfigFile::PlaceOf(const Path& path) const {
  if (!tree_) return {};
  const YamlValue* value = &*tree_;
  for (const std::string& step : path) {
    const YamlValue* below = StepInto(*value, step);
    if (below == nullptr) break;
    value = below;
  }
  return value->at;
}

std::string ConfigFile::Note(const Path& path, const std::string& what) const {
  if (!tree_) return PathInWords(path) + ": " + what;
  const Position at = PlaceOf(path);
  return fmt::format("{}:{}:{}: {}: {}", name_, at.line, at.column, PathInWords(path), what);
}

void ConfigFile::Complain(const Path& path, const std::string& what) {
  const Position at = PlaceOf(path);
  if (!problems_.Has(at)) problems_.Add(at, PathInWords(path) + ": " + what);
}

}  // namespace ringmaster
