#include "command/table/keys.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "command/rows/all_rows.h"
#include "command/table/table.h"
#include "ring/topology.h"

namespace ringmaster {
namespace {

std::vector<Bytes> Split(Bytes line) {
  std::vector<Bytes> words;
  while (!line.empty()) {
    const size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

const CommandTable& Table() {
  static const CommandTable table{AllCommands()};
  return table;
}

std::string Join(const std::vector<Bytes>& args, const std::vector<uint32_t>& positions) {
  std::string text;
  for (const uint32_t position : positions) {
    text += (text.empty() ? "" : " ") + std::string(args.at(position));
  }
  return text;
}

// The keys that decide where the call goes; "nonsense" when there is no telling.
std::string Keys(Bytes line) {
  const std::vector<Bytes> args = Split(line);
  std::vector<uint32_t> positions;
  const bool found = FindKeys(*Table().Find(args)->row, args, positions);
  return found ? Join(args, positions) : "nonsense";
}

// As COMMAND GETKEYSANDFLAGS: "key:access,access key:..."
std::string Listed(Bytes line) {
  const std::vector<Bytes> args = Split(line);
  std::vector<uint32_t> positions;
  std::vector<const char*> access;
  FoundKeys found{positions, &access};
  ListKeys(*Table().Find(args)->row, args, found);
  std::string text;
  for (size_t i = 0; i < positions.size(); ++i) {
    std::string how = access.at(i);
    for (char& c : how) c = c == ' ' ? ',' : c;
    text += (i == 0 ? "" : " ") + std::string(args.at(positions[i])) + ":" + how;
  }
  return text;
}

TEST(FindKeysTest, FollowsRanges) {
  EXPECT_EQ(Keys("get k"), "k");
  EXPECT_EQ(Keys("mget a b c"), "a b c");
  EXPECT_EQ(Keys("mset a 1 b 2"), "a b");
  EXPECT_EQ(Keys("rename a b"), "a b");
  EXPECT_EQ(Keys("bitop and dest a b"), "dest a b");
  EXPECT_EQ(Keys("blpop a b 0"), "a b");
  EXPECT_EQ(Keys("memory usage k samples 5"), "k");
  EXPECT_EQ(Keys("object encoding k"), "k");
  EXPECT_EQ(Keys("xinfo stream s full"), "s");
  EXPECT_EQ(Keys("ping"), "");
}

TEST(FindKeysTest, FollowsCounts) {
  EXPECT_EQ(Keys("eval script 2 a b c"), "a b");
  EXPECT_EQ(Keys("fcall f 1 a b"), "a");
  EXPECT_EQ(Keys("zunionstore dest 2 a b weights 1 2"), "dest a b");
  EXPECT_EQ(Keys("sintercard 2 a b limit 1"), "a b");
  EXPECT_EQ(Keys("lmpop 2 a b left count 3"), "a b");
  EXPECT_EQ(Keys("blmpop 0 2 a b left"), "a b");
  EXPECT_EQ(Keys("zmpop 1 a min"), "a");
}

TEST(FindKeysTest, CallsBadCountsNonsense) {
  EXPECT_EQ(Keys("eval script x a"), "nonsense");
  EXPECT_EQ(Keys("eval script -1 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 2 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 01 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 2147483647 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 4294967297 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 9223372036854775807 a"), "nonsense");
  EXPECT_EQ(Keys("eval script 99999999999999999999 a"), "nonsense");
  EXPECT_EQ(Keys("zunion 0 a"), "nonsense");
}

TEST(FindKeysTest, ReadsStreamsWhereTheCommandDoes) {
  EXPECT_EQ(Keys("xread streams a b 0 0"), "a b");
  EXPECT_EQ(Keys("xread count 2 block 5 streams a 0"), "a");
  EXPECT_EQ(Keys("xreadgroup group g c streams a >"), "a");
  EXPECT_EQ(Keys("xreadgroup count 1 group g streams streams a >"), "a");
  EXPECT_EQ(Keys("xread streams a b 0"), "nonsense");
  EXPECT_EQ(Keys("xread count 2 a 0"), "nonsense");
  EXPECT_EQ(Keys("xread count 1 streams"), "nonsense");
}

TEST(FindKeysTest, ReadsStoreOptionsWhereTheCommandDoes) {
  EXPECT_EQ(Keys("sort k"), "k");
  EXPECT_EQ(Keys("sort k limit 0 5 store dest desc"), "k dest");
  EXPECT_EQ(Keys("sort k by store get store store a store b"), "k b");
  EXPECT_EQ(Keys("sort k store"), "k");
  EXPECT_EQ(Keys("sort_ro k limit 0 5"), "k");
  EXPECT_EQ(Keys("georadius k 1 2 3 m count 5 store dest"), "k dest");
  EXPECT_EQ(Keys("georadius k 1 2 3 m store a storedist b"), "k b");
  EXPECT_EQ(Keys("georadius k 1 2 3 m store storedist"), "k storedist");
  EXPECT_EQ(Keys("georadiusbymember k x 3 m storedist dest"), "k dest");
  EXPECT_EQ(Keys("georadius k 1 2 3 m store"), "k");
}

TEST(ListKeysTest, NamesTheAccessToEachKey) {
  EXPECT_EQ(Listed("get k"), "k:RO,access");
  EXPECT_EQ(Listed("rename a b"), "a:RW,access,delete b:OW,update");
  EXPECT_EQ(Listed("set k v"), "k:OW,update");
  EXPECT_EQ(Listed("set k get"), "k:OW,update");
  EXPECT_EQ(Listed("set k v px 5 get"), "k:RW,access,update");
  EXPECT_EQ(Listed("bitfield k get u8 0 overflow sat"), "k:RO,access");
  EXPECT_EQ(Listed("bitfield k get u8 0 set u8 0 1"), "k:RW,access,update");
  EXPECT_EQ(Listed("sort k store d"), "k:RO,access d:OW,update");
}

TEST(ListKeysTest, ReadsMigrateAsTheCommandDoes) {
  EXPECT_EQ(Listed("migrate h 1 k 0 5"), "k:RW,access,delete");
  EXPECT_EQ(Listed("migrate h 1 k 0 5 auth keys copy"), "k:RW,access,delete");
  EXPECT_EQ(Listed("migrate h 1 k 0 5 copy keys a b"), "");
  std::vector<Bytes> args = Split("migrate h 1 k 0 5 auth2 u auth keys a b");
  args[3] = "";
  std::vector<uint32_t> positions;
  FoundKeys found{positions};
  ListKeys(*Table().Find(args)->row, args, found);
  EXPECT_EQ(Join(args, positions), "a b");
}

// Redis falls back on an older way to read the count.
TEST(ListKeysTest, IsAsLenientAsRedisWithCounts) {
  EXPECT_EQ(Listed("zunionstore dest 2x a b"), "a: b: dest:");
  EXPECT_EQ(Listed("eval script +1 a"), "a:");
  EXPECT_EQ(Listed("eval script x a"), "");
  EXPECT_EQ(Listed("eval script 3 a b"), "");
}

std::shared_ptr<const Topology> Shards(int count) {
  TopologySpec spec;
  for (int i = 0; i < count; ++i) spec.shards.push_back({"s" + std::to_string(i), "", 1});
  return Topology::Build(spec, 1).value();
}

TEST(ExceptionTest, BlockIsSeenOnlyAsAnOption) {
  const auto shards = Shards(2);
  EXPECT_TRUE(ReadsInSteps(Split("xread count 1 BLOCK 0 streams a 0"), *shards));
  EXPECT_TRUE(ReadsInSteps(Split("xreadgroup group g c block 0 streams a >"), *shards));
  EXPECT_FALSE(ReadsInSteps(Split("xread count 1 streams block 0"), *shards));
  EXPECT_FALSE(ReadsInSteps(Split("xreadgroup group block block streams a >"), *shards));
  EXPECT_FALSE(ReadsInSteps(Split("xread count"), *shards));
}

TEST(ExceptionTest, StreamsOfSeveralShardsAreReadInSteps) {
  const auto shards = Shards(64);
  EXPECT_TRUE(ReadsInSteps(Split("xread streams a b c d e 0 0 0 0 0"), *shards));
  EXPECT_FALSE(ReadsInSteps(Split("xread streams {t}a {t}b {t}c 0 0 0"), *shards));
}

TEST(ExceptionTest, PatternsMustStayOnTheShardOfTheKey) {
  const auto shards = Shards(8);
  EXPECT_FALSE(HasForeignPattern(Split("sort k by nosort get #"), *shards));
  EXPECT_FALSE(HasForeignPattern(Split("sort {u}:k by {u}:w_* get {u}:*->f store x*"), *shards));
  EXPECT_TRUE(HasForeignPattern(Split("sort k by w_*"), *shards));
  EXPECT_TRUE(HasForeignPattern(Split("sort {u}:k by {u*}:w"), *shards));
  EXPECT_TRUE(HasForeignPattern(Split("sort {u}:k get *{u}"), *shards));
  // Of so many other tags one lives on another shard.
  std::string other;
  for (int i = 0; i < 64; ++i) other += " get {t" + std::to_string(i) + "}:*";
  EXPECT_TRUE(HasForeignPattern(Split("sort {u}:k" + other), *shards));
}

TEST(ExceptionTest, OneShardHasNoForeignPatterns) {
  EXPECT_FALSE(HasForeignPattern(Split("sort k by w_* get *"), *Shards(1)));
}

// Whatever the arguments are, and however few: no position lies behind them.
class NoKeyBehindTheArguments : public testing::Test {
 protected:
  void Try(const Row& row, size_t rounds) {
    static constexpr Bytes kWords[] = {"",      "1",     "2",    "-1",      "3",    "9999999999",
                                       "STORE", "KEYS",  "GET",  "STREAMS", "BY",   "LIMIT",
                                       "block", "COUNT", "auth", "auth2",   "group"};
    for (size_t count = 1; count <= 9; ++count) {
      for (size_t round = 0; round < rounds; ++round) {
        std::vector<Bytes> args = {row.name};
        while (args.size() < count) args.push_back(kWords[random_.Below(std::size(kWords))]);
        // An array of its own size: a sanitizer sees a word that is read behind it.
        const std::vector<Bytes> exact(args.begin(), args.end());
        std::vector<uint32_t> positions;
        std::vector<const char*> access;
        FoundKeys found{positions, &access};
        FindKeys(row, exact, found);
        ListKeys(row, exact, found);
        EXPECT_EQ(positions.size(), access.size());
        for (const uint32_t position : positions) ASSERT_LT(position, count) << row.name;
      }
    }
  }

  Random random_{20261130};
};

TEST_F(NoKeyBehindTheArguments, OfBuiltInCommands) {
  for (const auto& command : Table().all()) Try(*command->row, 40);
}

TEST_F(NoKeyBehindTheArguments, OfWhateverSpecificationsShardsTell) {
  static constexpr const char* kKeywords[] = {"STORE", "KEYS", "COUNT"};
  for (int i = 0; i < 2000; ++i) {
    Row row;
    row.name = "x";
    for (KeySpec& spec : row.specs) {
      spec.begin = static_cast<KeySpec::Begin>(random_.Below(4));
      spec.find = static_cast<KeySpec::Find>(random_.Below(3));
      spec.keyword = kKeywords[random_.Below(3)];
      spec.access = random_.Below(4) == 0 ? "RW variable_flags" : "RO access";
      const bool backwards = spec.begin == KeySpec::Begin::kKeyword && random_.Below(2) == 0;
      spec.index = static_cast<int16_t>(1 + random_.Below(4));
      if (backwards) spec.index = static_cast<int16_t>(-spec.index);
      const bool counted = spec.find == KeySpec::Find::kCounted;
      spec.last =
          static_cast<int16_t>(counted ? random_.Below(3) : random_.Below(7)) - (counted ? 0 : 3);
      spec.step = static_cast<int16_t>(1 + random_.Below(3));
      spec.limit = static_cast<int16_t>(random_.Below(3));
    }
    Try(row, 2);
  }
}

}  // namespace
}  // namespace ringmaster
