#include "command/whole/merges.h"

#include <gtest/gtest.h>

#include "command/fixture.h"

namespace ringmaster {
namespace {

std::string Merge(MergeFunction merge, const std::vector<Bytes>& replies, int resp = 2) {
  std::string merged;
  merge(replies, resp, merged);
  return OneLine(merged);
}

TEST(MergesTest, LatencyLatestTakesTheLatestTimeAndTheLargestPeak) {
  EXPECT_EQ(Merge(MergeLatencyLatest, {"*1\r\n*4\r\n$4\r\nfork\r\n:100\r\n:5\r\n:90\r\n",
                                       "*2\r\n*4\r\n$4\r\nfork\r\n:200\r\n:7\r\n:8\r\n"
                                       "*4\r\n$3\r\naof\r\n:50\r\n:1\r\n:1\r\n"}),
            "*2|*4|$4|fork|:200|:7|:90|*4|$3|aof|:50|:1|:1|");
  EXPECT_EQ(Merge(MergeLatencyLatest, {"*0\r\n", "*0\r\n"}), "*0|");
}

TEST(MergesTest, MemoryStatsSumsAmountsAndShowsTheLargestShare) {
  EXPECT_EQ(Merge(MergeMemoryStats,
                  {"*8\r\n$15\r\ntotal.allocated\r\n:300\r\n$17\r\nstartup.allocated\r\n:100\r\n"
                   "$10\r\nkeys.count\r\n:2\r\n$18\r\nkeys.bytes-per-key\r\n:100\r\n",
                   "*8\r\n$15\r\ntotal.allocated\r\n:900\r\n$17\r\nstartup.allocated\r\n:100\r\n"
                   "$10\r\nkeys.count\r\n:3\r\n$18\r\nkeys.bytes-per-key\r\n:266\r\n"}),
            "*8|$15|total.allocated|:1200|$17|startup.allocated|:200|$10|keys.count|:5|"
            "$18|keys.bytes-per-key|:200|");
  EXPECT_EQ(Merge(MergeMemoryStats, {"*2\r\n$13\r\nfragmentation\r\n$3\r\n1.5\r\n",
                                     "*2\r\n$13\r\nfragmentation\r\n$3\r\n2.5\r\n"}),
            "*2|$13|fragmentation|$3|2.5|");
}

TEST(MergesTest, MemoryStatsMergesEachDatabaseInTheClientsProtocol) {
  EXPECT_EQ(Merge(MergeMemoryStats,
                  {"%1\r\n$4\r\ndb.0\r\n%1\r\n$4\r\nmain\r\n:1\r\n",
                   "%2\r\n$4\r\ndb.0\r\n%1\r\n$4\r\nmain\r\n:2\r\n"
                   "$4\r\ndb.3\r\n%1\r\n$4\r\nmain\r\n:4\r\n"},
                  3),
            "%2|$4|db.0|%1|$4|main|:3|$4|db.3|%1|$4|main|:4|");
}

}  // namespace
}  // namespace ringmaster
