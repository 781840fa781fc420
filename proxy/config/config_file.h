// A configuration with the places where it was written, for those who check more of it than the
// schema (server/compile.h): what they find is told with line and column, too, and together with
// what the schema found.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/problems.h"
#include "config/yaml.h"

namespace ringmaster {

class ConfigFile {
 public:
  // Keys of maps and numbers of list elements: {"pools", "0", "shards", "2", "tls"}.
  using Path = std::vector<std::string>;

  // Never fails: what is wrong goes to problems(), and config() has the default there.
  static ConfigFile Parse(std::string_view text, std::string name,
                          NamedFiles files = NamedFiles::kLookAt);
  // The same for a file; an error when it cannot be read.
  static Result<ConfigFile> Load(const std::string& path, FileKind kind);
  // One that no file says.
  static ConfigFile Of(Config config, std::string name);

  const std::string& name() const { return name_; }
  const Config& config() const { return config_; }
  Problems& problems() { return problems_; }
  const Problems& problems() const { return problems_; }
  // Where the value stands; what is not written stands where the map does that could have it.
  Position PlaceOf(const Path& path) const;
  // "file:line:column: what", for what is worth saying and no mistake.
  std::string Note(const Path& path, const std::string& what) const;
  // Adds to problems(), with the path in words; not where the schema has complained already.
  void Complain(const Path& path, const std::string& what);

 private:
  std::string name_;
  Config config_;
  Problems problems_;
  std::optional<YamlValue> tree_;
};

// "pools[0].shards[2].tls".
std::string PathInWords(const ConfigFile::Path& path);

}  // namespace ringmaster
