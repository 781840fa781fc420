#include "sizes/round.h"

#include <fmt/format.h>

#include <algorithm>

#include "sizes/commands.h"
#include "sizes/compare.h"
#include "sizes/exchange.h"
#include "sizes/values.h"
#include "support/client.h"
#include "support/resp_text.h"

namespace ringmaster::sizes {
namespace {

using integration::Client;
using integration::Encode;
using std::chrono::milliseconds;

constexpr int kPipelinesInARound = 12;
constexpr size_t kMostCommands = 300;
// Of requests and replies of one pipeline: below limits.reply_buffer and limits.query_buffer of the
// proxy.
constexpr size_t kMostBytes = 40 << 20;
// Of a client's data: what a saga takes along has to stay below 64 MiB.
constexpr int64_t kMostData = 24 << 20;

class Round {
 public:
  Round(const Setting& setting, uint64_t client, uint64_t number, Totals& totals,
        Findings& findings)
      : setting_(setting),
        client_(client),
        number_(number),
        totals_(totals),
        findings_(findings),
        random_(setting.seed * 1000003 + client * 10007 + number),
        commands_(random_.Next(), client, number),
        one_(setting.one, std::chrono::seconds(60)),
        database_(std::to_string(client % 3)),
        greeting_(Encode({"HELLO", random_.Below(3) == 0 ? "3" : "2"}) +
                  Encode({"SELECT", database_})) {}

  void Run();

 private:
  bool over() const { return findings_.any() || MonotonicNow() >= setting_.end; }
  void Find(int step, const std::string& what) const;
  int64_t DataSize();
  std::vector<std::string> OfAll(const std::string& name) const;
  Command SetOfAll() const;
  void Draw(bool leaves, std::vector<Command>& pipeline, std::vector<std::string>& expected);
  Manners DrawManners(size_t request_bytes, size_t reply_bytes);
  void Pipeline(int step);
  void Wait(int step);
  bool Ask(Command command, std::vector<Command>& pipeline, std::vector<std::string>& expected,
           size_t& bytes);
  void Clear();

  const Setting& setting_;
  const uint64_t client_;
  const uint64_t number_;
  Totals& totals_;
  Findings& findings_;
  Random random_;
  Commands commands_;
  Client one_;
  Line line_;
  const std::string database_;
  const std::string greeting_;
};

Command Words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word.substr(0, 60);
  return Command{.bytes = Encode(words), .text = text};
}

void Round::Find(int step, const std::string& what) const {
  findings_.Add(fmt::format("seed {}, client {}, round {}, step {}: {}", setting_.seed, client_,
                            number_, step, what));
}

// Of all keys at the one Redis.
int64_t Round::DataSize() {
  std::string asks;
  for (const std::string& key : commands_.keys())
    asks += Encode({"MEMORY", "USAGE", key, "SAMPLES", "0"});
  one_.Send(asks);
  int64_t sum = 0;
  for (size_t i = 0; i < commands_.keys().size(); ++i) {
    const std::string reply = one_.ReadRaw();
    if (!reply.empty() && reply[0] == ':') sum += std::atoll(reply.c_str() + 1);
  }
  return sum;
}

// `name`, and all keys behind it.
std::vector<std::string> Round::OfAll(const std::string& name) const {
  std::vector<std::string> words = {name};
  words.insert(words.end(), commands_.keys().begin(), commands_.keys().end());
  return words;
}

Command Round::SetOfAll() const {
  std::vector<std::string> words = {"MSET"};
  for (const std::string& key : commands_.keys()) words.insert(words.end(), {key, "x"});
  return Words(words);
}

// Runs it on the one Redis. False: that does not answer.
bool Round::Ask(Command command, std::vector<Command>& pipeline, std::vector<std::string>& expected,
                size_t& bytes) {
  std::string reply;
  if (one_.Send(command.bytes)) reply = one_.ReadRaw();
  if (reply.empty()) {
    findings_.Add("the one Redis does not answer: " + command.text + ": " + one_.failure());
    return false;
  }
  const size_t size = std::max(command.bytes.size(), reply.size());
  bytes += command.bytes.size() + reply.size();
  uint64_t largest = totals_.largest;
  while (size > largest && !totals_.largest.compare_exchange_weak(largest, size)) {
  }
  pipeline.push_back(std::move(command));
  expected.push_back(std::move(reply));
  return true;
}

void Round::Draw(bool leaves, std::vector<Command>& pipeline, std::vector<std::string>& expected) {
  const size_t room = 4096 + LogUniform(random_, kMostBytes);
  const size_t count = 1 + LogUniform(random_, kMostCommands - 1);
  const size_t largest = std::min(kLargest, room);
  size_t bytes = 0;
  if (DataSize() > kMostData && !Ask(Words(OfAll("DEL")), pipeline, expected, bytes)) return;
  if (!leaves && random_.Below(6) == 0) {
    for (Command& command : commands_.ReadsOfLargeValues(random_.Below(kMostBytes / 2))) {
      if (!Ask(std::move(command), pipeline, expected, bytes)) return;
      if (pipeline.size() == kMostCommands) break;
    }
  }
  while (pipeline.size() < count && bytes < room) {
    bool grows = false;
    for (Command& command : commands_.Next(std::min(largest, room - bytes), room - bytes)) {
      grows |= command.grows;
      if (!Ask(std::move(command), pipeline, expected, bytes)) return;
    }
    // A transaction whose replies the proxy refuses to merge may be undone there: both get the same
    // keys again, and then none. Who leaves early only reads.
    if (!leaves && expected.back().size() >= kReplyBuffer) {
      if (!Ask(SetOfAll(), pipeline, expected, bytes)) return;
      if (!Ask(Words(OfAll("DEL")), pipeline, expected, bytes)) return;
    }
    if (grows && DataSize() > 2 * kMostData) break;
  }
  totals_.bytes += bytes;
}

Manners Round::DrawManners(size_t request_bytes, size_t reply_bytes) {
  Manners manners;
  manners.sending = static_cast<Sending>(random_.Below(3));
  if (random_.Below(2) == 0) manners.reading = static_cast<Reading>(random_.Below(4));
  manners.small_buffer = random_.Below(4) == 0;
  manners.pause = milliseconds(LogUniform(random_, 1500));
  manners.at = LogUniform(random_, reply_bytes);
  const uint64_t ending = random_.Below(12);
  if (ending == 0) manners.ending = Ending::kHalfCloses;
  if (ending == 1) {
    manners.ending = Ending::kHangsUp;
    manners.at = random_.Below(request_bytes + 1);
    if (manners.reading == Reading::kStops) manners.reading = Reading::kAtOnce;
  }
  return manners;
}

void Round::Pipeline(int step) {
  // Who leaves early must not leave it open what was done.
  const bool leaves = random_.Below(6) == 0;
  commands_.set_read_only(leaves);
  std::vector<Command> pipeline;
  std::vector<std::string> expected;
  Draw(leaves, pipeline, expected);
  if (findings_.any()) return;
  size_t request_bytes = 0, reply_bytes = 0;
  for (const Command& command : pipeline) request_bytes += command.bytes.size();
  for (const std::string& reply : expected) reply_bytes += reply.size();
  Manners manners = DrawManners(request_bytes, reply_bytes);
  // A pipeline that clears the data first writes whatever follows.
  if (!leaves || pipeline.front().text.starts_with("DEL ")) manners.ending = Ending::kStays;
  if (!line_.open() || manners.small_buffer || random_.Below(4) == 0) {
    if (!line_.Open(setting_.proxy, manners.small_buffer)) {
      Find(step, "the proxy refuses the connection");
      return;
    }
    if (!line_.Greet(greeting_, 2, setting_.deadline)) {
      Find(step, "no reply to HELLO and SELECT");
      return;
    }
  }
  const Fault fault = line_.Run(pipeline, expected, manners, setting_.deadline, random_,
                                [this] { return findings_.any(); });
  totals_.commands += pipeline.size();
  ++totals_.pipelines;
  if (fault.what.empty()) return;
  std::string before;
  for (size_t i = fault.command >= 4 ? fault.command - 4 : 0; i < fault.command; ++i) {
    before += fmt::format("\n    before: {} -> {}", pipeline[i].text, ShortReply(expected[i]));
  }
  Find(step, fmt::format("command {} of {} (requests {} bytes, replies {}; {}): {}\n    {}{}",
                         fault.command, pipeline.size(), request_bytes, reply_bytes,
                         Describe(manners), pipeline[fault.command].text, fault.what, before));
}

// One connection waits, another one brings what it waits for.
void Round::Wait(int step) {
  const std::string a = commands_.Key("list", 0), b = commands_.Key("list", 1);
  const std::string z = commands_.Key("zset", 0), y = commands_.Key("zset", 1);
  const std::string value = Noise(random_.Next(), LogUniform(random_, 4 << 20));
  const bool second = random_.Below(2) == 0;
  const std::string seconds = fmt::format("{}", setting_.deadline / std::chrono::seconds(1));
  std::vector<std::string> waits, brings;
  switch (random_.Below(5)) {
    case 0:
      waits = {"BLPOP", a, b, seconds}, brings = {"RPUSH", second ? b : a, value};
      break;
    case 1:
      waits = {"BRPOP", a, seconds}, brings = {"RPUSH", a, "x", value};
      break;
    case 2:
      waits = {"BLMOVE", a, b, "LEFT", "RIGHT", seconds}, brings = {"LPUSH", a, value};
      break;
    case 3:
      waits = {"BLMPOP", seconds, "2", a, b, "LEFT", "COUNT", "3"};
      brings = {"RPUSH", second ? b : a, value, "y"};
      break;
    default:
      waits = {"BZPOPMIN", z, y, seconds}, brings = {"ZADD", second ? y : z, "1", value};
  }
  const Duration delay = milliseconds(LogUniform(random_, 60));
  std::vector<std::string> replies[2];
  for (int i = 0; i < 2; ++i) {
    const Address& address = i == 0 ? setting_.one : setting_.proxy;
    Client waiter(address, setting_.deadline + std::chrono::seconds(5));
    Client bringer(address, setting_.deadline + std::chrono::seconds(5));
    waiter.Command({"SELECT", database_});
    bringer.Command({"SELECT", database_});
    bringer.Command({"DEL", a, b, z, y});
    waiter.Send(Encode(waits));
    std::this_thread::sleep_for(delay);
    replies[i] = {bringer.CommandRaw(brings), waiter.CommandRaw({"PING"}), waiter.ReadRaw(1)};
  }
  ++totals_.waits;
  for (size_t i = 0; i < replies[0].size(); ++i) {
    if (replies[0][i] == replies[1][i]) continue;
    Find(step,
         fmt::format("{} with {} bytes {} ms later, reply {}:\n    expected {}\n    received {}",
                     waits[0], value.size(), Milliseconds(delay), i, ShortReply(replies[0][i]),
                     ShortReply(replies[1][i])));
    return;
  }
}

void Round::Clear() {
  const std::vector<std::string> words = OfAll("UNLINK");
  one_.CommandRaw(words);
  Client proxy(setting_.proxy);
  proxy.CommandRaw({"SELECT", database_});
  proxy.CommandRaw(words);
}

void Round::Run() {
  commands_.set_one_key(setting_.one_key);
  one_.Send(greeting_);
  if (one_.ReadRaw(2).empty() || !one_.failure().empty()) {
    return findings_.Add("no connection to the one Redis: " + one_.failure());
  }
  for (int step = 0; step < kPipelinesInARound && !over(); ++step) {
    if (random_.Below(8) == 0 && !setting_.one_key) {
      Wait(step);
    } else {
      Pipeline(step);
    }
  }
  if (!findings_.any()) Clear();
}

}  // namespace

void Findings::Add(const std::string& finding) {
  const std::lock_guard lock(mutex_);
  any_ = true;
  all_.push_back(finding);
}

std::vector<std::string> Findings::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

void RunClient(const Setting& setting, uint64_t client, uint64_t first, bool once, Totals& totals,
               Findings& findings) {
  for (uint64_t number = first; !findings.any() && MonotonicNow() < setting.end; ++number) {
    Round(setting, client, number, totals, findings).Run();
    if (once) return;
  }
}

}  // namespace ringmaster::sizes
