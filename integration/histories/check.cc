// What is there in the end, and whether what clients were told fits it.
#include <functional>
#include <set>

#include "histories/replies.h"
#include "histories/workloads.h"

namespace ringmaster::histories {
namespace {

using Operations = std::vector<RegisterOperation>;
using Asked = const std::function<uint32_t()>&;

}  // namespace

Workloads::Notes Workloads::Together() const {
  Notes all;
  const auto append = [](auto& into, const auto& from) {
    for (const auto& [key, list] : from) {
      into[key].insert(into[key].end(), list.begin(), list.end());
    }
  };
  for (const Notes& each : notes_) {
    append(all.registers, each.registers);
    append(all.wholes, each.wholes);
    append(all.fields, each.fields);
    append(all.appends, each.appends);
    append(all.list_reads, each.list_reads);
    append(all.increments, each.increments);
    all.pushed.insert(each.pushed.begin(), each.pushed.end());
    all.popped.insert(all.popped.end(), each.popped.begin(), each.popped.end());
    all.unknown_pops += each.unknown_pops;
    all.added.insert(each.added.begin(), each.added.end());
    all.wrong.insert(all.wrong.end(), each.wrong.begin(), each.wrong.end());
  }
  return all;
}

std::vector<std::string> Workloads::Check() {
  Notes all = Together();
  std::vector<std::string> wrong = all.wrong;
  Client client(proxy_);
  const auto note = [&](const std::string& where, const std::string& what) {
    if (!what.empty()) wrong.push_back(where + ": " + what);
  };
  const auto check_register = [&](const std::string& name, Operations& operations, Asked asked) {
    // One more read, after everything.
    RegisterOperation last{RegisterOperation::What::kRead, Outcome::kOk, false, 0, 0, {}};
    const int64_t began = Nanoseconds();
    last.value = asked();
    last.when = {began, Nanoseconds()};
    operations.push_back(last);
    bool gave_up = false;
    if (!IsLinearizable(operations, &gave_up)) {
      note(name, "no order explains it");
      details_ += name + "\n" + Describe(operations);
    }
    if (gave_up) note(name, "too many states to decide");
  };
  for (auto& [key, operations] : all.registers) {
    const std::string name = Key("r:", key);
    check_register(name, operations, [&] {
      return static_cast<uint32_t>(Number(client.Command({"GET", name})));
    });
  }
  for (auto& [key, operations] : all.wholes) {
    const std::string name = Key("w:", key);
    check_register(name, operations, [&] {
      std::vector<std::string> read = {"MGET"};
      for (int i = 0; i < kPartsOfWhole; ++i) read.push_back(name + ":" + std::to_string(i));
      uint32_t value = 0;
      note(name, WholeOf(client.Command(read), value));
      return value;
    });
  }
  for (auto& [field, operations] : all.fields) {
    const std::vector<std::string> read = LargeRead(field);
    check_register(read[1] + " " + read[2], operations,
                   [&] { return static_cast<uint32_t>(Number(client.Command(read))); });
  }
  for (int i = 0; i < kLarge; ++i) {
    const std::string name = "large:" + std::to_string(i);
    for (const char* field : {"f1", "f9999", "f20000"}) {
      const std::string said = client.Command({"HGET", name, field});
      if (said != "\"value " + std::string(field + 1) + "\"")
        note(name, std::string(field) + " is " + said);
    }
  }
  for (const auto& [key, appends] : all.appends) {
    const std::string last = client.Command({"LRANGE", Key("l:", key), "0", "-1"});
    note(Key("l:", key), CheckList(appends, all.list_reads[key], Numbers(last)));
  }
  for (const auto& [key, increments] : all.increments) {
    const std::string last = client.Command({"GET", Key("c:", key)});
    note(Key("c:", key), CheckCounter(increments, Number(last)));
  }
  for (int i = 0; i < kQueues; ++i) {
    const std::string rest =
        client.Command({"LRANGE", Key("q:", static_cast<uint32_t>(i)), "0", "-1"});
    const std::vector<uint32_t> values = Numbers(rest);
    all.popped.insert(all.popped.end(), values.begin(), values.end());
  }
  note("queues", CheckQueue({all.pushed, all.popped, all.unknown_pops}));
  const std::vector<uint32_t> members = Numbers(client.Command({"SMEMBERS", "set"}));
  const std::set<uint32_t> there(members.begin(), members.end());
  for (const auto& [value, outcome] : all.added) {
    const bool found = there.contains(value);
    if (outcome == Outcome::kOk && !found) note("set", std::to_string(value) + " is lost");
    if (outcome == Outcome::kFailed && found)
      note("set", std::to_string(value) + " failed, is there");
  }
  int missing = 0;
  for (int i = 0; i < kStableKeys; ++i) {
    const std::string name = "stable:" + std::to_string(i);
    const std::string reply = client.Command(ReadStable(i));
    if (Number(reply) != i && ++missing < 5) note(name, "is " + reply);
  }
  for (int group = 0; group <= kGroups; ++group) {
    int64_t sum = 0;
    const std::string name = group == kGroups ? "account:" : "{bank" + std::to_string(group) + "}:";
    for (int i = 0; i < kAccounts; ++i) {
      sum += Number(client.Command({"GET", name + std::to_string(i)}));
    }
    if (sum != kAccounts * kBalance) note("bank " + name, "the sum is " + std::to_string(sum));
  }
  return wrong;
}

}  // namespace ringmaster::histories
