// What clients asked and were told, and the checkers that know which histories no correct store
// could have produced. Plain data; a history is checked after its clients have ended.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace ringmaster::histories {

// kFailed: surely not applied. kUnknown: applied once, or never.
enum class Outcome : uint8_t { kOk, kFailed, kUnknown };

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

// Nanoseconds of one clock; an operation took effect at one moment between the two.
struct Interval {
  int64_t asked = 0;
  int64_t answered = kNever;  // of an unknown outcome: it may still happen
};

// --- a register: SET, GET, DEL and compare-and-set of one key; values are unique, 0 is no key ---

struct RegisterOperation {
  enum class What : uint8_t { kRead, kWrite, kCas };
  What what;
  Outcome outcome;
  bool swapped = false;   // by a CAS that was answered
  uint32_t value = 0;     // read, written, or put by a CAS
  uint32_t expected = 0;  // of a CAS
  Interval when;
};
// Whether one order explains all of it. At most `max_states` are looked at; beyond it counts as yes
// and `*gave_up` is set.
bool IsLinearizable(std::vector<RegisterOperation> operations, bool* gave_up,
                    size_t max_states = 2'000'000);

// One a line, in the order of asking.
std::string Describe(std::vector<RegisterOperation> operations);

// --- a list that is only appended to; values are unique ---

struct Append {
  uint32_t value;
  Outcome outcome;
  uint32_t length = 0;  // that the reply told
  Interval when;
};
struct ListRead {
  std::vector<uint32_t> values;
  Interval when;
};
// What is wrong, in words; empty: nothing. `last` is the list in the end.
std::string CheckList(const std::vector<Append>& appends, const std::vector<ListRead>& reads,
                      const std::vector<uint32_t>& last);

// --- a counter ---

struct Increment {
  Outcome outcome;
  int64_t value = 0;  // that the reply told
  Interval when;
};
std::string CheckCounter(const std::vector<Increment>& increments, int64_t last);

// --- a queue: elements are unique ---

struct QueueHistory {
  std::map<uint32_t, Outcome> pushed;
  std::vector<uint32_t> delivered;  // the drain in the end included
  uint64_t unknown_pops = 0;        // each may have taken an element along
};
std::string CheckQueue(const QueueHistory& history);

}  // namespace ringmaster::histories
