#include "command/table/keys.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/reserved_keys.h"
#include "ring/topology.h"

namespace ringmaster {
namespace {

// The first key of every command with a finder, or what stands before it.
constexpr size_t kFindersNeed = 2;

bool Mentions(const KeySpec& spec, const char* word) {
  return std::strstr(spec.access, word) != nullptr;
}

std::span<const KeySpec> SpecsOf(const Row& row) {
  const auto* end = std::find_if(std::begin(row.specs), std::end(row.specs), [](const auto& spec) {
    return spec.begin == KeySpec::Begin::kNone;
  });
  return {std::begin(row.specs), end};
}

// Index of the first key (or of the count), or 0 when there is none.
size_t BeginOf(const KeySpec& spec, std::span<const Bytes> args) {
  if (spec.begin == KeySpec::Begin::kIndex) return static_cast<size_t>(spec.index);
  const auto count = static_cast<int64_t>(args.size());
  const bool backwards = spec.index < 0;
  // Redis looks at every word from the start index on, also where an option's value could be it;
  // backwards it stops before the first argument.
  const int64_t end = backwards ? 1 : count - 1;
  for (int64_t i = backwards ? count + spec.index : spec.index;
       i > 0 && (backwards ? i > end : i < end); i += backwards ? -1 : 1) {
    if (EqualsIgnoreCase(args[static_cast<size_t>(i)], spec.keyword)) {
      return static_cast<size_t>(i + 1);
    }
  }
  return 0;
}

// The last key's position. REQUIRES: spec.find is kRange.
int64_t LastOf(const KeySpec& spec, int64_t first, int64_t count) {
  if (spec.last >= 0) return first + spec.last;
  if (spec.limit == 0) return count + spec.last;
  return first + (count - first) / spec.limit + spec.last;
}

// Adds one specification's keys. False when the arguments do not fit it.
bool AddKeys(const KeySpec& spec, std::span<const Bytes> args, FoundKeys& found) {
  if (spec.begin == KeySpec::Begin::kUnknown) return false;
  size_t first = BeginOf(spec, args);
  // An optional keyword that is not there is no mistake.
  if (first == 0) return true;
  int64_t last;
  if (spec.find == KeySpec::Find::kCounted) {
    if (first >= args.size()) return false;
    const auto count = ParseInteger(args[first]);
    if (!count || *count < 0 || *count > std::numeric_limits<int32_t>::max()) return false;
    first += 1 + static_cast<size_t>(spec.last);
    last = static_cast<int64_t>(first) + (*count - 1) * spec.step;
  } else {
    last = LastOf(spec, static_cast<int64_t>(first), static_cast<int64_t>(args.size()));
  }
  if (last >= static_cast<int64_t>(args.size()) || last < static_cast<int64_t>(first)) return false;
  for (size_t i = first; i <= static_cast<size_t>(last); i += static_cast<size_t>(spec.step)) {
    found.Add(i, spec.access);
  }
  return !Mentions(spec, "incomplete");
}

bool AddAllKeys(const Row& row, std::span<const Bytes> args, FoundKeys& found) {
  for (const KeySpec& spec : SpecsOf(row)) {
    if (!Mentions(spec, "not_key") && !AddKeys(spec, args, found)) return false;
  }
  return true;
}

// The C library's atoi, with 0 for what does not fit.
int64_t LeadingInteger(Bytes text) {
  size_t i = 0;
  while (i < text.size() && (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r'))) ++i;
  const bool negative = i < text.size() && text[i] == '-';
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  int64_t value = 0;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    value = value * 10 + (text[i] - '0');
    if (value > std::numeric_limits<int32_t>::max()) return 0;
  }
  return negative ? -value : value;
}

// How COMMAND GETKEYS reads a count that the specification did not accept: more leniently, with the
// keys of other specifications behind the counted ones, and without saying what happens to them.
void AddLeniently(const Row& row, std::span<const Bytes> args, FoundKeys& found) {
  for (const KeySpec& spec : SpecsOf(row)) {
    if (spec.find != KeySpec::Find::kCounted) continue;
    const auto at = static_cast<size_t>(spec.index);
    if (at >= args.size()) return;
    const int64_t count = LeadingInteger(args[at]);
    if (count < 1 || count > static_cast<int64_t>(args.size() - at - 1)) return;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) found.Add(at + 1 + i, "");
    for (const KeySpec& other : SpecsOf(row)) {
      const auto key = static_cast<size_t>(other.index);
      if (other.find == KeySpec::Find::kRange && key < args.size()) found.Add(key, "");
    }
    return;
  }
}

// A finder trusts its command's arity, which an operator's row may have changed.
void RunFinder(const Row& row, std::span<const Bytes> args, FoundKeys& found) {
  if (args.size() >= kFindersNeed) row.finder(args, found);
}

}  // namespace

bool HasKeys(const Row& row) {
  const auto specs = SpecsOf(row);
  return std::any_of(specs.begin(), specs.end(),
                     [](const KeySpec& spec) { return !Mentions(spec, "not_key"); });
}

void EachSortOption(std::span<const Bytes> args,
                    const std::function<void(Bytes option, size_t value)>& see) {
  for (size_t i = 2; i + 1 < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "limit")) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "get") || EqualsIgnoreCase(args[i], "by") ||
               EqualsIgnoreCase(args[i], "store")) {
      see(args[i], i + 1);
      ++i;
    }
  }
}

bool FindKeys(const Row& row, std::span<const Bytes> args, FoundKeys& found) {
  if (row.finder == nullptr) return AddAllKeys(row, args, found);
  const size_t before = found.positions.size();
  RunFinder(row, args, found);
  return found.positions.size() > before;
}

bool FindKeys(const Row& row, std::span<const Bytes> args, std::vector<uint32_t>& positions) {
  FoundKeys found{positions};
  return FindKeys(row, args, found);
}

void ListKeys(const Row& row, std::span<const Bytes> args, FoundKeys& found) {
  const auto specs = SpecsOf(row);
  const bool exact = std::none_of(specs.begin(), specs.end(), [](const KeySpec& spec) {
    return Mentions(spec, "variable_flags");
  });
  if (exact && AddAllKeys(row, args, found)) return;
  found.positions.clear();
  if (found.access != nullptr) found.access->clear();
  found.listing = true;
  if (row.finder != nullptr) {
    RunFinder(row, args, found);
  } else {
    AddLeniently(row, args, found);
  }
  found.listing = false;
}

void SetKeys(std::span<const Bytes> args, FoundKeys& found) {
  const auto is_get = [](Bytes option) { return EqualsIgnoreCase(option, "get"); };
  const auto options = args.subspan(std::min<size_t>(3, args.size()));
  const bool reads = std::any_of(options.begin(), options.end(), is_get);
  found.Add(1, reads ? "RW access update" : "OW update");
}

void BitfieldKeys(std::span<const Bytes> args, FoundKeys& found) {
  const char* access = "RO access";
  for (size_t i = 2; i < args.size(); ++i) {
    const size_t left = args.size() - i - 1;
    if (EqualsIgnoreCase(args[i], "get") && left >= 2) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "overflow") && left >= 1) {
      i += 1;
    } else {
      // A write, or a mistake, which is no reason to believe that it only reads.
      access = "RW access update";
      break;
    }
  }
  found.Add(1, access);
}

namespace {

// The last of STORE and STOREDIST wins. `options`: where they begin.
void KeysOfRadius(std::span<const Bytes> args, size_t options, FoundKeys& found) {
  found.Add(1, "RO access", "");
  size_t store = 0;
  for (size_t i = options; i + 1 < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "store") || EqualsIgnoreCase(args[i], "storedist")) store = ++i;
  }
  if (store != 0) found.Add(store, "OW update", "");
}

}  // namespace

void GeoradiusKeys(std::span<const Bytes> args, FoundKeys& found) { KeysOfRadius(args, 6, found); }
void GeoradiusByMemberKeys(std::span<const Bytes> args, FoundKeys& found) {
  KeysOfRadius(args, 5, found);
}

void MigrateKeys(std::span<const Bytes> args, FoundKeys& found) {
  if (args.size() < 4) return;
  size_t first = 3;
  size_t end = 4;
  for (size_t i = 6; i < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "keys")) {
      // KEYS goes with an empty key argument only.
      if (!args[3].empty()) return;
      first = i + 1;
      end = args.size();
      break;
    }
    if (EqualsIgnoreCase(args[i], "auth")) {
      i += 1;
    } else if (EqualsIgnoreCase(args[i], "auth2")) {
      i += 2;
    }
  }
  for (size_t i = first; i < end; ++i) found.Add(i, "RW access delete");
}

namespace {

// The last STORE as Redis's own listing finds it, which takes STORE's value for an option, too.
size_t ListedSortStore(std::span<const Bytes> args) {
  size_t store = 0;
  for (size_t i = 2; i < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "limit")) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "get") || EqualsIgnoreCase(args[i], "by")) {
      ++i;
    } else if (EqualsIgnoreCase(args[i], "store") && i + 1 < args.size()) {
      store = i + 1;
    }
  }
  return store;
}

}  // namespace

// The last STORE wins.
void SortKeys(std::span<const Bytes> args, FoundKeys& found) {
  found.Add(1, "RO access");
  size_t store = 0;
  EachSortOption(args, [&store](Bytes option, size_t value) {
    if (EqualsIgnoreCase(option, "store")) store = value;
  });
  if (found.listing) store = ListedSortStore(args);
  if (store != 0) found.Add(store, "OW update");
}

void SortRoKeys(std::span<const Bytes>, FoundKeys& found) { found.Add(1, "RO access"); }

// The specification takes the first word STREAMS for the option, though a group may have that name.
void XreadKeys(std::span<const Bytes> args, FoundKeys& found) {
  for (size_t i = 1; i < args.size(); ++i) {
    if (EqualsIgnoreCase(args[i], "block") || EqualsIgnoreCase(args[i], "count")) {
      i += 1;
    } else if (EqualsIgnoreCase(args[i], "group")) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "streams")) {
      const size_t left = args.size() - i - 1;
      // As many identifiers as keys.
      if (left % 2 != 0) return;
      for (size_t key = 0; key < left / 2; ++key) found.Add(i + 1 + key, "");
      return;
    } else if (!EqualsIgnoreCase(args[i], "noack")) {
      return;
    }
  }
}

namespace {

bool HasBlock(std::span<const Bytes> args) {
  for (size_t i = 1; i < args.size(); ++i) {
    // What follows are keys and identifiers.
    if (EqualsIgnoreCase(args[i], "streams")) return false;
    if (EqualsIgnoreCase(args[i], "block")) return true;
    if (EqualsIgnoreCase(args[i], "group")) {
      i += 2;
    } else if (EqualsIgnoreCase(args[i], "count")) {
      i += 1;
    }
  }
  return false;
}

}  // namespace

bool ReadsInSteps(std::span<const Bytes> args, const Topology& topology) {
  if (HasBlock(args)) return true;
  size_t first = 1;
  while (first < args.size() && !EqualsIgnoreCase(args[first], "streams")) ++first;
  if (++first >= args.size()) return false;
  const size_t count = (args.size() - first) / 2;
  for (size_t i = 1; i < count; ++i) {
    if (topology.ShardOf(args[first + i]) != topology.ShardOf(args[first])) return true;
  }
  return false;
}

void EachSortPattern(std::span<const Bytes> args, const std::function<void(Bytes pattern)>& see) {
  EachSortOption(args, [&](Bytes option, size_t value) {
    const bool names_keys = args[value].find('*') != Bytes::npos;
    if (names_keys && !EqualsIgnoreCase(option, "store")) see(args[value]);
  });
}

bool HasPattern(std::span<const Bytes> args) {
  bool found = false;
  EachSortPattern(args, [&found](Bytes) { found = true; });
  return found;
}

bool HasForeignPattern(std::span<const Bytes> args, const Topology& topology) {
  bool foreign = false;
  EachSortPattern(args, [&](Bytes pattern) {
    const size_t star = pattern.find('*');
    const Bytes head = pattern.substr(0, star);
    // The proxy's own keys are not for clients: what the pattern makes of elements is looked at. A
    // single shard holds none but the ring's mark.
    const bool single = topology.shards().size() == 1;
    const bool has_reserved = !single || topology.epoch() > 1;
    if (IsReserved(head) || (has_reserved && kReservedPrefix.starts_with(head))) foreign = true;
    if (single) return;
    // A tag in front of the star places every key that the pattern can name.
    if (!topology.PlacesAll(head) || topology.ShardOf(pattern) != topology.ShardOf(args[1]))
      foreign = true;
  });
  return foreign;
}

}  // namespace ringmaster
