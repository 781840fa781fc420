#include "histories/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_set>
#include <utility>

namespace ringmaster::histories {
namespace {

using What = RegisterOperation::What;

constexpr uint32_t kUnseen = std::numeric_limits<uint32_t>::max();

// Depth first over the orders that the intervals allow (Wing and Gong), with the states that were
// seen already left out (Lowe).
class Search {
 public:
  Search(const std::vector<RegisterOperation>& operations, size_t max_states)
      : operations_(operations), done_(operations.size()), max_states_(max_states) {}

  bool Run() { return From(0, 0); }
  bool gave_up() const { return seen_.size() >= max_states_; }

 private:
  bool From(size_t first, uint32_t value) {
    while (first < operations_.size() && done_[first]) ++first;
    // Who has not been answered need not have happened.
    int64_t horizon = kNever;
    bool must = false;
    for (size_t i = first; i < operations_.size(); ++i) {
      if (done_[i]) continue;
      if (operations_[i].when.answered == kNever) continue;
      must = true;
      horizon = std::min(horizon, operations_[i].when.answered);
    }
    if (!must || gave_up()) return true;
    if (!seen_.insert(Describe(first, value)).second) return false;
    bool tried[2] = {false, false};
    for (size_t i = first; i < operations_.size(); ++i) {
      const RegisterOperation& operation = operations_[i];
      if (operation.when.asked > horizon) break;
      if (done_[i]) continue;
      if (operation.what == What::kWrite && operation.outcome == Outcome::kUnknown &&
          (operation.value == 0 || operation.value == kUnseen)) {
        // One is as good as another: the first that could have been.
        bool& before = tried[operation.value == 0 ? 0 : 1];
        if (std::exchange(before, true)) continue;
      }
      uint32_t next = value;
      if (!Apply(operation, &next)) continue;
      // It need not have happened, so not in vain.
      if (operation.outcome == Outcome::kUnknown && next == value) continue;
      done_[i] = true;
      if (From(first, next)) return true;
      done_[i] = false;
    }
    return false;
  }

  static bool Apply(const RegisterOperation& operation, uint32_t* value) {
    switch (operation.what) {
      case What::kRead:
        return *value == operation.value;
      case What::kWrite:
        *value = operation.value;
        return true;
      case What::kCas:
        if (operation.outcome == Outcome::kOk &&
            operation.swapped != (*value == operation.expected)) {
          return false;
        }
        if (*value == operation.expected) *value = operation.value;
        return true;
    }
    return false;
  }

  std::string Describe(size_t first, uint32_t value) const {
    std::string text(reinterpret_cast<const char*>(&value), sizeof(value));
    text.append(reinterpret_cast<const char*>(&first), sizeof(first));
    uint8_t bits = 0;
    for (size_t i = first; i < done_.size(); ++i) {
      bits = static_cast<uint8_t>(bits << 1 | (done_[i] ? 1 : 0));
      if ((i - first) % 8 == 7) text.push_back(static_cast<char>(bits));
    }
    text.push_back(static_cast<char>(bits));
    // Zeros at the end say nothing.
    return text;
  }

  const std::vector<RegisterOperation>& operations_;
  std::vector<bool> done_;
  const size_t max_states_;
  std::unordered_set<std::string> seen_;
};

}  // namespace

bool IsLinearizable(std::vector<RegisterOperation> operations, bool* gave_up, size_t max_states) {
  std::set<uint32_t> seen;
  for (const RegisterOperation& each : operations) {
    if (each.outcome == Outcome::kOk && each.what == What::kRead) seen.insert(each.value);
    if (each.what == What::kCas) seen.insert(each.expected);
  }
  std::erase_if(operations, [&](const RegisterOperation& each) {
    if (each.outcome == Outcome::kFailed) return true;
    if (each.outcome == Outcome::kOk) return false;
    return each.what == What::kRead;
  });
  // What nobody ever read can only be told from what is expected.
  for (RegisterOperation& each : operations) {
    if (each.outcome == Outcome::kUnknown && each.value != 0 && !seen.contains(each.value)) {
      each.value = kUnseen;
    }
  }
  std::sort(operations.begin(), operations.end(),
            [](const auto& a, const auto& b) { return a.when.asked < b.when.asked; });
  Search search(operations, max_states);
  const bool found = search.Run();
  *gave_up = search.gave_up();
  return found;
}

std::string Describe(std::vector<RegisterOperation> operations) {
  static constexpr const char* kOutcomes[] = {"ok", "failed", "unknown"};
  std::sort(operations.begin(), operations.end(),
            [](const auto& a, const auto& b) { return a.when.asked < b.when.asked; });
  std::string text;
  for (const RegisterOperation& each : operations) {
    text += fmt::format(
        "{:10} {:10} ", (each.when.asked - operations[0].when.asked) / 1000,
        each.when.answered == kNever ? -1 : (each.when.answered - operations[0].when.asked) / 1000);
    if (each.what == What::kRead) text += fmt::format("read {}", each.value);
    if (each.what == What::kWrite) text += fmt::format("write {}", each.value);
    if (each.what == What::kCas) {
      text += fmt::format("cas {} to {}{}", each.expected, each.value, each.swapped ? "" : ", no");
    }
    text += fmt::format(" {}\n", kOutcomes[static_cast<size_t>(each.outcome)]);
  }
  return text;
}

std::string CheckList(const std::vector<Append>& appends, const std::vector<ListRead>& reads,
                      const std::vector<uint32_t>& last) {
  std::map<uint32_t, size_t> place;
  for (size_t i = 0; i < last.size(); ++i) {
    if (!place.emplace(last[i], i).second) return "value " + std::to_string(last[i]) + " twice";
  }
  std::set<uint32_t> known;
  for (const Append& append : appends) {
    known.insert(append.value);
    const auto at = place.find(append.value);
    const std::string name = "value " + std::to_string(append.value);
    if (append.outcome == Outcome::kFailed && at != place.end())
      return name + " failed and is there";
    if (append.outcome != Outcome::kOk) continue;
    if (at == place.end()) return name + " was appended and is lost";
    if (append.length != at->second + 1) return name + " is not where its reply said";
  }
  for (const uint32_t value : last) {
    if (!known.contains(value)) return "value " + std::to_string(value) + " was never appended";
  }
  for (const ListRead& read : reads) {
    if (read.values.size() > last.size() ||
        !std::equal(read.values.begin(), read.values.end(), last.begin())) {
      return "a read of " + std::to_string(read.values.size()) + " is no prefix of the list";
    }
    for (const Append& append : appends) {
      if (append.outcome != Outcome::kOk) continue;
      const bool there = append.length <= read.values.size();
      if (!there && append.when.answered < read.when.asked) {
        return "value " + std::to_string(append.value) + " was appended before a read missed it";
      }
      if (there && append.when.asked > read.when.answered) {
        return "value " + std::to_string(append.value) + " was read before it was appended";
      }
    }
  }
  return "";
}

std::string CheckCounter(const std::vector<Increment>& increments, int64_t last) {
  int64_t sure = 0;
  int64_t open = 0;
  std::vector<const Increment*> answered;
  for (const Increment& each : increments) {
    if (each.outcome == Outcome::kOk) answered.push_back(&each);
    if (each.outcome == Outcome::kUnknown) ++open;
  }
  sure = static_cast<int64_t>(answered.size());
  if (last < sure || last > sure + open) {
    return "it is " + std::to_string(last) + " after " + std::to_string(sure) + " to " +
           std::to_string(sure + open) + " increments";
  }
  std::sort(answered.begin(), answered.end(),
            [](const auto* a, const auto* b) { return a->value < b->value; });
  int64_t latest_asked = 0;
  for (size_t i = 0; i < answered.size(); ++i) {
    const Increment& each = *answered[i];
    if (i > 0 && each.value == answered[i - 1]->value) {
      return "two increments made it " + std::to_string(each.value);
    }
    if (each.when.answered < latest_asked) {
      return "it was " + std::to_string(each.value) + " before a smaller value was asked for";
    }
    latest_asked = std::max(latest_asked, each.when.asked);
  }
  if (!answered.empty() && answered.back()->value > last) return "it went back";
  return "";
}

std::string CheckQueue(const QueueHistory& history) {
  std::set<uint32_t> delivered;
  for (const uint32_t value : history.delivered) {
    if (!delivered.insert(value).second) return "element " + std::to_string(value) + " twice";
    const auto pushed = history.pushed.find(value);
    if (pushed == history.pushed.end()) return "element " + std::to_string(value) + " from nowhere";
    if (pushed->second == Outcome::kFailed) {
      return "element " + std::to_string(value) + " failed and was delivered";
    }
  }
  uint64_t missing = 0;
  for (const auto& [value, outcome] : history.pushed) {
    if (outcome == Outcome::kOk && !delivered.contains(value)) ++missing;
  }
  if (missing <= history.unknown_pops) return "";
  return std::to_string(missing) + " elements lost, with " + std::to_string(history.unknown_pops) +
         " pops of unknown outcome";
}

}  // namespace ringmaster::histories
