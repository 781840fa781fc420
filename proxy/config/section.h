// Reads one map of the file by the keys that the schema knows. Whatever is wrong goes to Problems
// with its position and its path ("pools[0].ring.hash"), and the output keeps what it had: its
// default. Keys that nobody asked for are reported when the Section ends.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "config/yaml.h"

namespace ringmaster {

// The one of `names` that `name` is a likely misspelling of; empty when there is none.
Bytes ClosestName(Bytes name, std::span<const Bytes> names);

// "a, b or c".
std::string Listed(std::span<const Bytes> names);

// Borrows the tree and the problems. One thread.
class Section {
 public:
  // A null pointer or an empty value is a map without keys.
  Section(const YamlValue* value, std::string path, Problems& problems);
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  ~Section();

  // The value is a map or nothing at all. Otherwise it was complained about already, and what it
  // lacks needs no words.
  bool readable() const { return readable_; }

  // The key's value, or nullptr. From now on the key is known.
  const YamlValue* Find(Bytes key);
  // The same, but nullptr also when it is not written as one plain value.
  const YamlValue* FindText(Bytes key);

  void Read(Bytes key, bool& out);
  // Any text of at most `max_size` bytes and without control characters.
  void Read(Bytes key, std::string& out, size_t max_size = 4096);
  template <std::integral T>
  void ReadInteger(Bytes key, int64_t min, int64_t max, T& out) {
    int64_t value = static_cast<int64_t>(out);
    if (ReadInt64(key, min, max, value)) out = static_cast<T>(value);
  }
  void ReadNumber(Bytes key, double min, double max, double& out);
  void ReadDuration(Bytes key, Duration min, Duration max, Duration& out);
  // `zero_is_fine`: 0 has a meaning of its own below `min`.
  void ReadSize(Bytes key, uint64_t min, uint64_t max, uint64_t& out, bool zero_is_fine = false);
  // One of `names`; their order is the order of the enumerators.
  template <typename Enum>
  void ReadEnum(Bytes key, std::span<const Bytes> names, Enum& out) {
    const YamlValue* value = FindText(key);
    const int index = value == nullptr ? -1 : Choose(*value, names, PathOf(key));
    if (index >= 0) out = static_cast<Enum>(index);
  }
  // One text or a list of texts, none of them empty.
  std::vector<const YamlValue*> FindTexts(Bytes key);

  std::string PathOf(Bytes key) const;
  void Complain(const YamlValue& value, Bytes key, const std::string& what) const;
  // About the whole map.
  void Complain(const std::string& what) const;
  Position at() const { return at_; }
  const std::string& path() const { return path_; }
  Problems& problems() const { return problems_; }

  // Index of the value's text in `names`, or -1 and a complaint.
  int Choose(const YamlValue& value, std::span<const Bytes> names, const std::string& path) const;

 private:
  bool ReadInt64(Bytes key, int64_t min, int64_t max, int64_t& out);

  const YamlValue* map_ = nullptr;  // nullptr: no keys
  bool readable_ = true;
  Position at_;
  std::string path_;
  Problems& problems_;
  std::vector<Bytes> known_;  // literals
};

}  // namespace ringmaster
