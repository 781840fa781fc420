#include "command/whole/info_merge.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

// Lines with "\n", as people write them.
std::string Merged(const std::vector<std::string>& texts, std::vector<InfoSection> own = {}) {
  std::vector<std::string> infos;
  for (const std::string& text : texts) {
    std::string info;
    for (const char c : text) info += c == '\n' ? "\r\n" : std::string(1, c);
    infos.push_back(info);
  }
  std::string merged;
  for (const char c : MergeInfo(infos, own)) {
    if (c != '\r') merged.push_back(c);
  }
  return merged;
}

TEST(InfoMergeTest, SumsWhatCounts) {
  EXPECT_EQ(Merged({"# Stats\nkeyspace_hits:5\ninstantaneous_input_kbps:0.25\n",
                    "# Stats\nkeyspace_hits:7\ninstantaneous_input_kbps:1.50\n"}),
            "# Stats\nkeyspace_hits:12\ninstantaneous_input_kbps:1.75\n");
}

TEST(InfoMergeTest, TakesFactsOfTheServerFromTheFirst) {
  EXPECT_EQ(Merged({"# Server\nredis_version:7.0.15\narch_bits:64\n",
                    "# Server\nredis_version:7.2.0\narch_bits:64\n"}),
            "# Server\nredis_version:7.0.15\narch_bits:64\n");
}

TEST(InfoMergeTest, WorksReadableSizesAndRatiosOutAnew) {
  EXPECT_EQ(Merged({"# Memory\nused_memory:1048576\nused_memory_human:1.00M\n"
                    "used_memory_rss:2097152\nmem_fragmentation_ratio:2.00\n",
                    "# Memory\nused_memory:3145728\nused_memory_human:3.00M\n"
                    "used_memory_rss:3145728\nmem_fragmentation_ratio:1.00\n"}),
            "# Memory\nused_memory:4194304\nused_memory_human:4.00M\n"
            "used_memory_rss:5242880\nmem_fragmentation_ratio:1.25\n");
}

TEST(InfoMergeTest, UnlimitedShardMakesTheWholeUnlimited) {
  EXPECT_EQ(Merged({"# Memory\nmaxmemory:100\n", "# Memory\nmaxmemory:0\n"}),
            "# Memory\nmaxmemory:0\n");
  EXPECT_EQ(Merged({"# Memory\nmaxmemory:100\n", "# Memory\nmaxmemory:50\n"}),
            "# Memory\nmaxmemory:150\n");
}

TEST(InfoMergeTest, ShowsTheWorstOfStatesAndTheOldestOfSaves) {
  EXPECT_EQ(Merged({"# Persistence\nloading:0\nrdb_last_save_time:900\n"
                    "rdb_last_bgsave_status:ok\n",
                    "# Persistence\nloading:1\nrdb_last_save_time:100\n"
                    "rdb_last_bgsave_status:err\n"}),
            "# Persistence\nloading:1\nrdb_last_save_time:100\nrdb_last_bgsave_status:err\n");
}

TEST(InfoMergeTest, AddsUpDatabasesInTheirOrder) {
  EXPECT_EQ(
      Merged({"# Keyspace\ndb0:keys=3,expires=1,avg_ttl=100\ndb10:keys=1,expires=0,avg_ttl=0\n",
              "# Keyspace\ndb0:keys=5,expires=3,avg_ttl=200\ndb2:keys=2,expires=0,avg_ttl=0\n"}),
      "# Keyspace\ndb0:keys=8,expires=4,avg_ttl=175\ndb2:keys=2,expires=0,avg_ttl=0\n"
      "db10:keys=1,expires=0,avg_ttl=0\n");
}

TEST(InfoMergeTest, AddsUpCommandsAndAveragesThemAnew) {
  EXPECT_EQ(Merged({"# Commandstats\ncmdstat_get:calls=1,usec=10,usec_per_call=10.00,"
                    "rejected_calls=0,failed_calls=0\n",
                    "# Commandstats\ncmdstat_get:calls=3,usec=2,usec_per_call=0.67,"
                    "rejected_calls=1,failed_calls=0\n"
                    "cmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,"
                    "failed_calls=0\n"}),
            "# Commandstats\ncmdstat_get:calls=4,usec=12,usec_per_call=3.00,rejected_calls=1,"
            "failed_calls=0\n"
            "cmdstat_set:calls=1,usec=1,usec_per_call=1.00,rejected_calls=0,failed_calls=0\n");
}

TEST(InfoMergeTest, ShowsTheSlowestOfLatencies) {
  EXPECT_EQ(Merged({"# Latencystats\nlatency_percentiles_usec_get:p50=1.003,p99=9.023\n",
                    "# Latencystats\nlatency_percentiles_usec_get:p50=2.007,p99=3.007\n"}),
            "# Latencystats\nlatency_percentiles_usec_get:p50=2.007,p99=9.023\n");
}

TEST(InfoMergeTest, KeepsListsOfTheFirst) {
  EXPECT_EQ(Merged({"# Modules\nmodule:name=a,ver=1\nmodule:name=b,ver=2\n",
                    "# Modules\nmodule:name=a,ver=1\n"}),
            "# Modules\nmodule:name=a,ver=1\nmodule:name=b,ver=2\n");
}

TEST(InfoMergeTest, HidesReplicasOfTheShards) {
  EXPECT_EQ(Merged({"# Replication\nrole:master\nconnected_slaves:1\n"
                    "slave0:ip=127.0.0.1,port=1,state=online,offset=5,lag=0\n"
                    "master_repl_offset:5\n"},
                   {{"Replication", {{"connected_slaves", "0"}}}}),
            "# Replication\nrole:master\nconnected_slaves:0\nmaster_repl_offset:5\n");
}

TEST(InfoMergeTest, ProxySpeaksForItself) {
  const std::vector<InfoSection> own = {{"Server", {{"run_id", "ours"}}},
                                        {"Clients", {{"connected_clients", "3"}}}};
  EXPECT_EQ(Merged({"# Server\nredis_version:7.0.15\nrun_id:theirs\n"}, own),
            "# Server\nredis_version:7.0.15\nrun_id:ours\n");
  EXPECT_EQ(Merged({}, own), "# Server\nrun_id:ours\n\n# Clients\nconnected_clients:3\n");
}

TEST(InfoMergeTest, TakesWhatShardsOfOtherVersionsSay) {
  EXPECT_EQ(Merged({"# Stats\na_new_counter:1\n", "# Stats\na_newer_counter:2\n# Oddities\nx:y\n"}),
            "# Stats\na_new_counter:1\na_newer_counter:2\n\n# Oddities\nx:y\n");
  EXPECT_EQ(Merged({"no section\n# Stats\nno value\n# CPU\nused_cpu_sys:x\n"}),
            "# Stats\n\n# CPU\nused_cpu_sys:x\n");
}

}  // namespace
}  // namespace ringmaster
