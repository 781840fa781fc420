#include "histories/workloads.h"

#include <algorithm>
#include <cstdlib>

#include "base/clock.h"
#include "base/random.h"
#include "histories/replies.h"
#include "support/wait.h"

namespace ringmaster::histories {
namespace {

constexpr Duration kPatience = std::chrono::seconds(4);
constexpr char kCas[] =
    "local v = redis.call('GET', KEYS[1]) or '0' if v == ARGV[1] then redis.call('SET', KEYS[1], "
    "ARGV[2]) return 1 end return 0";

constexpr char kFillLarge[] =
    "for i = 1, 20000 do redis.call('HSET', KEYS[1], 'f' .. i, 'value ' .. i) end return 1";

}  // namespace

Workloads::Keys::Keys() {
  for (uint32_t i = 0; i < kKeysAtOnce; ++i) {
    current[i] = i;
    used[i] = 0;
  }
}

uint32_t Workloads::Keys::Pick(uint32_t slot) {
  slot %= kKeysAtOnce;
  if (++used[slot] >= kOperationsPerKey) {
    used[slot] = 0;
    current[slot] = next++;
  }
  return current[slot];
}

// One client: a connection, made anew when it broke.
class Workloads::Worker {
 public:
  Worker(Workloads& all, int index)
      : all_(all),
        index_(index),
        random_(all.seed_ * 1000 + static_cast<uint64_t>(index)),
        notes_(all.notes_[static_cast<size_t>(index)]),
        client_(all.proxy_) {
    client_.set_patience(kPatience);
  }

  void Run() {
    while (!all_.stop_) {
      // Pops wait, so that some clients do little else.
      const uint64_t dice = random_.Below(100);
      if (index_ % 5 == 4) {
        dice < 80 ? Pop() : Push();
      } else if (dice < 40) {
        Registers();
      } else if (dice < 58) {
        Lists();
      } else if (dice < 66) {
        Counters();
      } else if (dice < 72) {
        Wholes();
      } else if (dice < 81) {
        Bank();
      } else if (dice < 85) {
        BankOverShards();
      } else if (dice < 89) {
        Push();
      } else if (dice < 92) {
        Large();
      } else if (dice < 95) {
        Set();
      } else if (dice < 98) {
        Stable();
      } else if (index_ % 4 == 0) {
        Scan();
      }
    }
  }

 private:
  using Commands = std::vector<std::vector<std::string>>;

  // Asks all at once; notes the interval, and makes a new connection if this one broke.
  std::vector<std::string> Ask(const Commands& commands) {
    when_.asked = Nanoseconds();
    std::vector<std::string> replies = client_.Pipeline(commands);
    when_.answered = Nanoseconds();
    all_.operations_ += commands.size();
    replies.resize(commands.size());
    if (!client_.failure().empty() || !client_.connected()) {
      client_ = Client(all_.proxy_);
      client_.set_patience(kPatience);
      if (!client_.connected()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return replies;
  }

  Outcome OutcomeOf(const std::string& reply) {
    if (Refused(reply)) {
      ++all_.failed_;
      return Outcome::kFailed;
    }
    if (reply == "QUEUED")
      return Wrong("a reply out of a transaction that is over"), Outcome::kUnknown;
    const bool broken = reply.empty() || reply[0] == '<' || reply.starts_with("(error) UNCERTAIN");
    if (broken) {
      ++all_.unknown_;
      return Outcome::kUnknown;
    }
    if (reply.starts_with("(error)")) {
      if (notes_.wrong.size() < 10) notes_.wrong.push_back("unexpected reply " + reply);
      return Outcome::kUnknown;
    }
    return Outcome::kOk;
  }
  Interval Span(Outcome outcome) const {
    return {when_.asked, outcome == Outcome::kUnknown ? kNever : when_.answered};
  }
  void Wrong(const std::string& what) {
    if (notes_.wrong.size() < 10) notes_.wrong.push_back(what);
  }

  void TakeReply(RegisterOperation& operation, const std::string& reply) {
    operation.outcome = OutcomeOf(reply);
    operation.when = Span(operation.outcome);
    const bool read = operation.what == RegisterOperation::What::kRead;
    if (read && operation.outcome == Outcome::kOk) {
      operation.value = static_cast<uint32_t>(Number(reply));
    }
  }

  // Keys that differ, so that the order within a pipeline is nobody's business.
  std::vector<uint32_t> PickKeys(Keys& keys, size_t count) {
    std::vector<uint32_t> picked;
    const auto from = static_cast<uint32_t>(random_.Below(kKeysAtOnce));
    for (uint32_t i = 0; i < count; ++i) picked.push_back(keys.Pick(from + i));
    return picked;
  }

  void Registers() {
    using What = RegisterOperation::What;
    const std::vector<uint32_t> keys = PickKeys(all_.registers_, 1 + random_.Below(12));
    if (random_.Below(8) == 0) return SetTogether(keys);
    Commands commands;
    std::vector<RegisterOperation> operations;
    for (const uint32_t key : keys) {
      RegisterOperation operation{};
      const uint64_t dice = random_.Below(100);
      const std::string name = Key("r:", key);
      if (dice < 45) {
        operation.what = What::kRead;
        commands.push_back({"GET", name});
      } else if (dice < 70) {
        operation.what = What::kWrite;
        operation.value = all_.NewValue();
        commands.push_back({"SET", name, std::to_string(operation.value)});
      } else if (dice < 82) {
        operation.what = What::kWrite;
        commands.push_back({"DEL", name});
      } else {
        operation.what = What::kCas;
        operation.expected = last_seen_.contains(key) ? last_seen_[key] : 0;
        operation.value = all_.NewValue();
        commands.push_back({"EVAL", kCas, "1", name, std::to_string(operation.expected),
                            std::to_string(operation.value)});
      }
      operations.push_back(operation);
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < keys.size(); ++i) {
      RegisterOperation& operation = operations[i];
      TakeReply(operation, replies[i]);
      if (operation.outcome == Outcome::kOk) {
        if (operation.what == What::kCas) operation.swapped = Number(replies[i]) == 1;
        last_seen_[keys[i]] = operation.value;
      }
      notes_.registers[keys[i]].push_back(operation);
    }
    if (last_seen_.size() > 1000) last_seen_.clear();
  }

  // One command for all of them.
  void SetTogether(const std::vector<uint32_t>& keys) {
    std::vector<std::string> command = {"MSET"};
    std::vector<uint32_t> values;
    for (const uint32_t key : keys) {
      values.push_back(all_.NewValue());
      command.push_back(Key("r:", key));
      command.push_back(std::to_string(values.back()));
    }
    const std::vector<std::string> replies = Ask({command});
    const Outcome outcome = OutcomeOf(replies[0]);
    for (size_t i = 0; i < keys.size(); ++i) {
      notes_.registers[keys[i]].push_back(
          {RegisterOperation::What::kWrite, outcome, false, values[i], 0, Span(outcome)});
    }
  }

  // Keys over all shards that are only ever written together, with one value: a register.
  void Wholes() {
    const std::vector<uint32_t> wholes = PickKeys(all_.wholes_, 1 + random_.Below(4));
    Commands commands;
    std::vector<uint32_t> values;
    for (const uint32_t whole : wholes) {
      const bool read = random_.Below(100) < 40;
      values.push_back(read ? 0 : all_.NewValue());
      std::vector<std::string>& command = commands.emplace_back();
      command.emplace_back(read ? "MGET" : "MSET");
      for (int i = 0; i < kPartsOfWhole; ++i) {
        command.push_back(Key("w:", whole) + ":" + std::to_string(i));
        if (!read) command.push_back(std::to_string(values.back()));
      }
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < wholes.size(); ++i) {
      RegisterOperation operation{
          RegisterOperation::What::kWrite, OutcomeOf(replies[i]), false, values[i], 0, {}};
      operation.when = Span(operation.outcome);
      if (values[i] == 0) {
        operation.what = RegisterOperation::What::kRead;
        if (operation.outcome == Outcome::kOk) {
          const std::string said = WholeOf(replies[i], operation.value);
          if (!said.empty()) Wrong(Key("w:", wholes[i]) + " " + said);
        }
      }
      notes_.wholes[wholes[i]].push_back(operation);
    }
  }

  // Fields of hashes that are copied in pieces: a register each.
  void Large() {
    const std::vector<uint32_t> fields = PickKeys(all_.fields_, 1 + random_.Below(6));
    Commands commands;
    std::vector<RegisterOperation> operations;
    for (const uint32_t field : fields) {
      RegisterOperation operation{};
      const uint64_t dice = random_.Below(100);
      std::vector<std::string>& command = commands.emplace_back(LargeRead(field));
      if (dice >= 70) {
        operation.what = RegisterOperation::What::kWrite;
        if (dice < 92) operation.value = all_.NewValue();
        command[0] = dice < 92 ? "HSET" : "HDEL";
        if (dice < 92) command.push_back(std::to_string(operation.value));
      }
      operations.push_back(operation);
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < fields.size(); ++i) {
      TakeReply(operations[i], replies[i]);
      notes_.fields[fields[i]].push_back(operations[i]);
    }
  }

  void Lists() {
    const std::vector<uint32_t> keys = PickKeys(all_.lists_, 1 + random_.Below(8));
    Commands commands;
    std::vector<uint32_t> values;
    for (const uint32_t key : keys) {
      const bool read = random_.Below(100) < 25;
      values.push_back(read ? 0 : all_.NewValue());
      if (read) {
        commands.push_back({"LRANGE", Key("l:", key), "0", "-1"});
      } else {
        commands.push_back({"RPUSH", Key("l:", key), std::to_string(values.back())});
      }
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < keys.size(); ++i) {
      const Outcome outcome = OutcomeOf(replies[i]);
      if (values[i] == 0) {
        if (outcome == Outcome::kOk) {
          notes_.list_reads[keys[i]].push_back({Numbers(replies[i]), when_});
        }
        continue;
      }
      const uint32_t length =
          outcome == Outcome::kOk ? static_cast<uint32_t>(Number(replies[i])) : 0;
      notes_.appends[keys[i]].push_back({values[i], outcome, length, Span(outcome)});
    }
  }

  void Counters() {
    const std::vector<uint32_t> keys = PickKeys(all_.counters_, 1 + random_.Below(12));
    Commands commands;
    for (const uint32_t key : keys) commands.push_back({"INCR", Key("c:", key)});
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < keys.size(); ++i) {
      const Outcome outcome = OutcomeOf(replies[i]);
      notes_.increments[keys[i]].push_back(
          {outcome, outcome == Outcome::kOk ? Number(replies[i]) : 0, Span(outcome)});
    }
  }

  void Bank() {
    const std::string group = "{bank" + std::to_string(random_.Below(kGroups)) + "}:";
    Commands commands = {{"MULTI"}};
    const bool read = random_.Below(100) < 40;
    if (read) {
      for (int i = 0; i < kAccounts; ++i) commands.push_back({"GET", group + std::to_string(i)});
    } else {
      const std::string amount = std::to_string(1 + random_.Below(9));
      commands.push_back({"DECRBY", group + std::to_string(random_.Below(kAccounts)), amount});
      commands.push_back({"INCRBY", group + std::to_string(random_.Below(kAccounts)), amount});
    }
    commands.push_back({"EXEC"});
    const std::vector<std::string> replies = Ask(commands);
    const std::string& said = replies.back();
    if (OutcomeOf(said) != Outcome::kOk || !read) return;
    CheckSum(group, said);
  }
  // The same over shards: transfers are sagas, reads are isolated.
  void BankOverShards() {
    const auto account = [this] { return "account:" + std::to_string(random_.Below(kAccounts)); };
    if (random_.Below(100) < 40) {
      std::vector<std::string> read = {"MGET"};
      for (int i = 0; i < kAccounts; ++i) read.push_back("account:" + std::to_string(i));
      const std::vector<std::string> replies = Ask({read});
      if (OutcomeOf(replies[0]) == Outcome::kOk) CheckSum("over shards", replies[0]);
      return;
    }
    const std::string amount = std::to_string(1 + random_.Below(9));
    const std::vector<std::string> replies =
        Ask({{"MULTI"}, {"DECRBY", account(), amount}, {"INCRBY", account(), amount}, {"EXEC"}});
    OutcomeOf(replies.back());
  }
  void CheckSum(const std::string& group, const std::string& said) {
    int64_t sum = 0;
    const std::vector<std::string> values = Strings(said);
    for (const std::string& value : values) sum += std::strtoll(value.c_str(), nullptr, 10);
    if (values.size() != kAccounts || sum != kAccounts * kBalance) {
      Wrong("bank " + group + " has " + said);
    }
  }

  void Push() {
    Commands commands;
    std::vector<uint32_t> values;
    for (size_t i = 0; i < 4; ++i) {
      values.push_back(all_.NewValue());
      const auto queue = static_cast<uint32_t>(random_.Below(kQueues));
      commands.push_back({"RPUSH", Key("q:", queue), std::to_string(values.back())});
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < values.size(); ++i) notes_.pushed[values[i]] = OutcomeOf(replies[i]);
  }

  void Pop() {
    std::vector<std::string> command = {random_.Below(2) == 0 ? "BLPOP" : "BRPOP"};
    const auto from = static_cast<uint32_t>(random_.Below(kQueues));
    const uint64_t count = 1 + random_.Below(2);
    for (uint32_t i = 0; i < count; ++i) command.push_back(Key("q:", (from + i) % kQueues));
    command.emplace_back("0.5");
    const std::vector<std::string> replies = Ask({command});
    const Outcome outcome = OutcomeOf(replies[0]);
    if (outcome == Outcome::kUnknown) ++notes_.unknown_pops;
    if (outcome != Outcome::kOk || replies[0].starts_with("(nil")) return;
    const std::vector<std::string> pair = Strings(replies[0]);
    if (pair.size() != 2) return Wrong("a pop answered " + replies[0]);
    notes_.popped.push_back(static_cast<uint32_t>(std::strtoul(pair[1].c_str(), nullptr, 10)));
  }

  void Set() {
    Commands commands;
    std::vector<uint32_t> values;
    for (size_t i = 0; i < 3; ++i) {
      values.push_back(all_.NewValue());
      commands.push_back({"SADD", "set", std::to_string(values.back())});
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < values.size(); ++i) notes_.added[values[i]] = OutcomeOf(replies[i]);
  }

  // Keys that nobody writes, and so many that most are still to come when one is asked for.
  void Stable() {
    Commands commands;
    std::vector<int> numbers;
    for (int i = 0; i < 4; ++i) {
      numbers.push_back(static_cast<int>(random_.Below(kStableKeys)));
      commands.push_back(ReadStable(numbers.back()));
    }
    const std::vector<std::string> replies = Ask(commands);
    for (size_t i = 0; i < numbers.size(); ++i) {
      if (OutcomeOf(replies[i]) != Outcome::kOk || Number(replies[i]) == numbers[i]) continue;
      Wrong("stable:" + std::to_string(numbers[i]) + " was " + replies[i]);
    }
  }

  // Every key that was there throughout is seen. A server that was started anew puts its keys into
  // another order, so that its cursors mean nothing.
  void Scan() {
    const uint64_t restarts = all_.restarts;
    std::set<int> seen;
    std::string cursor = "0";
    do {
      const std::vector<std::string> replies =
          Ask({{"SCAN", cursor, "MATCH", "stable:*", "COUNT", "200"}});
      if (OutcomeOf(replies[0]) != Outcome::kOk) return;
      const std::vector<std::string> words = Strings(replies[0]);
      if (words.empty()) return Wrong("SCAN answered " + replies[0]);
      cursor = words[0];
      for (size_t i = 1; i < words.size(); ++i) seen.insert(std::atoi(words[i].c_str() + 7));
      if (all_.stop_) return;
    } while (cursor != "0");
    ++all_.scans_;
    if (seen.size() != kStableKeys && restarts == all_.restarts) {
      Wrong("SCAN saw " + std::to_string(seen.size()) + " keys of " + std::to_string(kStableKeys));
    }
  }

  Workloads& all_;
  const int index_;
  Random random_;
  Notes& notes_;
  Client client_;
  Interval when_;
  std::map<uint32_t, uint32_t> last_seen_;
};

std::vector<std::string> Workloads::ReadStable(int number) {
  const std::string name = "stable:" + std::to_string(number);
  if (number % 4 == 0) return {"HGET", name, "f"};
  return {"GETRANGE", name, "0", "9"};
}

std::vector<std::string> Workloads::LargeRead(uint32_t field) {
  return {"HGET", "large:" + std::to_string(field % kLarge), "v" + std::to_string(field)};
}

std::string Workloads::WholeOf(const std::string& reply, uint32_t& value) {
  const std::vector<std::string> values = Strings(reply);
  value = values.empty() ? 0 : static_cast<uint32_t>(Number(values[0]));
  const bool same = std::all_of(values.begin(), values.end(),
                                [&](const std::string& each) { return each == values[0]; });
  const bool whole = values.empty() || values.size() == kPartsOfWhole;
  return same && whole ? "" : "was seen in parts: " + reply;
}

Workloads::Workloads(const Address& proxy, uint64_t seed, int clients)
    : proxy_(proxy), seed_(seed), clients_(clients), notes_(static_cast<size_t>(clients)) {}

bool Workloads::Fill() {
  Client client(proxy_);
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < kStableKeys; ++i) {
    const std::string name = "stable:" + std::to_string(i);
    if (i % 4 == 0) {
      commands.push_back({"HSET", name, "f", std::to_string(i), "g", std::string(200, 'x')});
    } else {
      commands.push_back({"SET", name, std::to_string(i) + ":" + std::string(50, 'y')});
    }
  }
  for (int group = 0; group < kGroups; ++group) {
    for (int i = 0; i < kAccounts; ++i) {
      commands.push_back({"SET", "{bank" + std::to_string(group) + "}:" + std::to_string(i),
                          std::to_string(kBalance)});
    }
  }
  for (int i = 0; i < kAccounts; ++i) {
    commands.push_back({"SET", "account:" + std::to_string(i), std::to_string(kBalance)});
  }
  for (int i = 0; i < kLarge; ++i) {
    commands.push_back({"EVAL", kFillLarge, "1", "large:" + std::to_string(i)});
  }
  const std::vector<std::string> replies = client.Pipeline(commands);
  return replies.size() == commands.size() &&
         std::none_of(replies.begin(), replies.end(),
                      [](const std::string& reply) { return reply[0] == '<' || reply[1] == 'e'; });
}

void Workloads::Start() {
  for (int i = 0; i < clients_; ++i) {
    threads_.emplace_back([this, i] { Worker(*this, i).Run(); });
  }
}

void Workloads::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace ringmaster::histories
