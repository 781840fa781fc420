// COMMAND answers through the proxy what it answers at a real Redis 7.0: for every command and
// subcommand the same description, and for any arguments the same keys or the same error. So
// cluster clients, proxies in front of us and people find the keys where they are.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "command/rows/all_rows.h"
#include "command/table/command_replies.h"
#include "command/table/keys.h"
#include "command/table/table.h"
#include "resp/reply_reader.h"
#include "support/client.h"
#include "support/redis_server.h"

namespace ringmaster::integration {
namespace {

class CommandRowsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = std::make_unique<RedisServer>(); }
  static void TearDownTestSuite() { server_.reset(); }

  // The elements of an array reply, sorted: Redis lists in the order of a hash table.
  static std::vector<std::string> Sorted(const std::string& reply) {
    std::vector<std::string> elements;
    for (const ReplyElement& element : ReadArray(reply)) elements.emplace_back(element.text);
    std::sort(elements.begin(), elements.end());
    return elements;
  }

  static std::unique_ptr<RedisServer> server_;
  Client redis_ = server_->Connect();
  const CommandTable table_{AllCommands()};
};
std::unique_ptr<RedisServer> CommandRowsTest::server_;

// One command's description with its subcommands in order.
std::string InOrder(Bytes info) {
  const std::vector<ReplyElement> fields = ReadArray(info);
  if (fields.size() != 10) return std::string(info);
  std::string text(info.substr(0, info.size() - fields[9].raw.size()));
  std::vector<std::string> subcommands;
  for (const ReplyElement& each : ReadArray(fields[9].raw)) {
    subcommands.push_back(InOrder(each.raw));
  }
  std::sort(subcommands.begin(), subcommands.end());
  text += fields[9].raw.substr(0, fields[9].raw.find('\n') + 1);
  for (const std::string& each : subcommands) text += each;
  return text;
}

TEST_F(CommandRowsTest, EachCommandIsDescribedAsByRedis) {
  std::vector<std::string> names = Sorted(redis_.CommandRaw({"COMMAND", "LIST"}));
  ASSERT_GT(names.size(), 350U);
  for (const char* name : {"nonsense", "config|nonsense", "get|x", "config|", "CoNfIg|gEt"}) {
    names.emplace_back(name);
  }
  for (const int resp : {2, 3}) {
    redis_.Command({"HELLO", std::to_string(resp)});
    for (const std::string& name : names) {
      const std::string reply = redis_.CommandRaw({"COMMAND", "INFO", name});
      std::string ours = "*1\r\n";
      ReplyWriter out(ours, resp);
      WriteCommandInfo(table_.FindByName(name), out);
      ASSERT_FALSE(ReadArray(reply).empty());
      EXPECT_EQ(InOrder(ReadArray(ours)[0].raw), InOrder(ReadArray(reply)[0].raw)) << name;
    }
  }
}

TEST_F(CommandRowsTest, ListsWhatRedisLists) {
  std::vector<std::vector<std::string>> filters = {{}};
  for (const std::string& category : Sorted(redis_.CommandRaw({"ACL", "CAT"}))) {
    filters.push_back({"FILTERBY", "ACLCAT", category});
  }
  for (const char* pattern : {"*", "x*", "CLIENT|*", "*[gs]et", "", "nonsense"}) {
    filters.push_back({"filterby", "pattern", pattern});
  }
  filters.push_back({"filterby", "module", "x"});
  for (const auto& filter : filters) {
    std::vector<std::string> words = {"COMMAND", "LIST"};
    words.insert(words.end(), filter.begin(), filter.end());
    std::string ours;
    ReplyWriter out(ours, 2);
    WriteCommandList(table_, std::vector<Bytes>(filter.begin(), filter.end()), out);
    EXPECT_EQ(Sorted(ours), Sorted(redis_.CommandRaw(words))) << testing::PrintToString(filter);
  }
}

// Arguments that mean something to one command or another.
class ArgumentMaker {
 public:
  explicit ArgumentMaker(uint64_t seed) : random_(seed) {}

  // The command's words and arguments for it: mostly as many as it takes, mostly with sense.
  std::vector<std::string> For(const Command& command) {
    std::vector<std::string> args;
    if (command.parent != nullptr) args.emplace_back(command.parent->row->name);
    args.emplace_back(command.row->name);
    const int arity = command.row->arity;
    auto size = static_cast<size_t>(std::abs(arity));
    if (arity < 0) size += random_.Below(9);
    if (random_.Below(20) == 0) size += random_.Below(3) - 1;
    while (args.size() < size || args.size() < 2) args.push_back(Word(args));
    PutCounts(*command.row, args);
    return args;
  }

 private:
  std::string Word(const std::vector<std::string>& before) {
    static constexpr const char* kWords[] = {
        "STREAMS", "streams", "STORE",  "store",    "STOREDIST", "COUNT", "BLOCK", "GROUP", "NOACK",
        "LIMIT",   "GET",     "get",    "BY",       "WEIGHTS",   "KEYS",  "keys",  "COPY",  "AUTH",
        "AUTH2",   "SET",     "incrby", "OVERFLOW", "LEFT",      "",      "0",     "1",     "2"};
    // Redis itself is of two minds about SORT ... STORE BY STORE x.
    const bool after_store = EqualsIgnoreCase(before.back(), "store");
    if (after_store || random_.Below(2) == 0) return "key" + std::to_string(random_.Below(9));
    return kWords[random_.Below(std::size(kWords))];
  }

  void PutCounts(const Row& row, std::vector<std::string>& args) {
    static constexpr const char* kCounts[] = {"1",  "2",  "3",  "4",  "0",    "-1", "x",
                                              "01", " 2", "2x", "+1", "1000", "",   "-0"};
    for (const KeySpec& spec : row.specs) {
      const auto at = static_cast<size_t>(spec.index);
      if (spec.find != KeySpec::Find::kCounted || at >= args.size()) continue;
      const size_t choices = random_.Below(3) == 0 ? std::size(kCounts) : 4;
      args[at] = kCounts[random_.Below(choices)];
    }
  }

  Random random_;
};

TEST_F(CommandRowsTest, FindsTheKeysThatRedisFinds) {
  static constexpr int kRounds = 20;
  ArgumentMaker make(20260101);
  size_t calls = 0;
  size_t errors = 0;
  for (const auto& command : table_.all()) {
    if (command->Is(kHidden)) continue;
    const int rounds = HasKeys(*command->row) ? kRounds : 1;
    for (int i = 0; i < rounds; ++i) {
      const std::vector<std::string> args = make.For(*command);
      for (const bool with_flags : {false, true}) {
        std::vector<std::string> words = {"COMMAND", with_flags ? "GETKEYSANDFLAGS" : "GETKEYS"};
        words.insert(words.end(), args.begin(), args.end());
        const std::string theirs = redis_.CommandRaw(words);
        std::string ours;
        ReplyWriter out(ours, 2);
        WriteCommandKeys(table_, std::vector<Bytes>(args.begin(), args.end()), with_flags, out);
        EXPECT_EQ(ours, theirs) << testing::PrintToString(args);
        ++calls;
        errors += theirs[0] == '-' ? 1 : 0;
      }
    }
  }
  // The arguments must make sense often enough, and not always.
  EXPECT_GT(calls, 5000U);
  EXPECT_LT(errors, calls / 2);
  EXPECT_GT(errors, calls / 50);
}

// The two ways to look at the arguments, one for the client's eyes and one for routing, agree
// wherever the arguments make sense to both.
TEST_F(CommandRowsTest, RoutesByTheKeysThatItLists) {
  ArgumentMaker make(20260102);
  std::string different;
  for (const auto& command : table_.all()) {
    const Row& row = *command->row;
    if (!HasKeys(row) || row.finder != nullptr) continue;
    for (int i = 0; i < 20; ++i) {
      const std::vector<std::string> words = make.For(*command);
      const std::vector<Bytes> args(words.begin(), words.end());
      if (!command->ArityFits(args.size())) continue;
      std::vector<uint32_t> routed;
      if (!FindKeys(row, args, routed)) continue;
      std::vector<uint32_t> listed;
      FoundKeys found{listed};
      ListKeys(row, args, found);
      if (routed != listed) different += testing::PrintToString(words) + "\n";
    }
  }
  EXPECT_EQ(different, "");
}

}  // namespace
}  // namespace ringmaster::integration
