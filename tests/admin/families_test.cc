#include "admin/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::Not;

// One of everything, so that every family has a sample.
Overview Everything() {
  Overview all;
  all.version = "1.2.3";
  all.workers.resize(2);
  for (size_t i = 0; i < all.workers.size(); ++i) all.workers[i].index = std::to_string(i);
  all.workers[0].requests = 7;
  all.workers[1].moved_in = 5;
  all.workers[1].pulled_in = 2;
  all.commands.push_back({.name = "get", .kind = "read", .calls = 3, .failed = 1, .micros = 60});
  all.shards.push_back({.pool = "main", .name = "a"});
  all.shards.back().failing = true;
  all.shards.back().uncertain = 4;
  all.sagas.push_back({.pool = "main", .started = 9, .committed = 5, .undone = 1});
  all.rebalances.push_back({.pool = "main", .state = "moving", .epoch = 3});
  all.rebalances.back().donors.push_back({.pool = "main", .shard = "a", .keys = 12});
  return all;
}

std::string SourceFile(const std::string& name) { return std::string(RM_SOURCE_DIR) + "/" + name; }

TEST(MetricFamiliesTest, NamesFollowPrometheusConventions) {
  const std::regex name("ringmaster_[a-z]+(_[a-z]+)*");
  std::set<std::string> seen;
  for (const MetricFamily& family : MetricFamilies()) {
    const std::string at = family.name;
    EXPECT_TRUE(std::regex_match(at, name)) << at;
    EXPECT_TRUE(seen.insert(at).second) << at << " is there twice";
    const std::string type = family.type;
    EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << at;
    EXPECT_EQ(type == "counter", at.ends_with("_total")) << at;
    if (type == "histogram") {
      EXPECT_TRUE(at.ends_with("_seconds")) << at;
    }
    EXPECT_TRUE(std::string(family.help).ends_with(".")) << at;
  }
}

TEST(MetricFamiliesTest, EachHasSamplesWithTheLabelsItNames) {
  const Overview all = Everything();
  for (const MetricFamily& family : MetricFamilies()) {
    std::string lines;
    Samples samples(lines, family.name);
    family.collect(all, samples);
    ASSERT_FALSE(lines.empty()) << family.name;
    std::istringstream in(lines);
    for (std::string line; std::getline(in, line);) {
      std::string labels;
      const std::regex label("([a-z_]+)=\"");
      for (std::sregex_iterator at(line.begin(), line.end(), label), end; at != end; ++at) {
        if ((*at)[1] == "le") continue;
        labels += (labels.empty() ? "" : ", ") + (*at)[1].str();
      }
      EXPECT_EQ(labels, family.labels) << line;
    }
  }
}

TEST(MetricsPageTest, ShowsWhatWasCounted) {
  const std::string page = MetricsPage(Everything());
  EXPECT_THAT(page, HasSubstr("\nringmaster_requests_total{worker=\"0\"} 7\n"));
  EXPECT_THAT(page,
              HasSubstr("\nringmaster_worker_moves_in_total{worker=\"1\",reason=\"push\"} 3\n"));
  EXPECT_THAT(page,
              HasSubstr("\nringmaster_worker_moves_in_total{worker=\"1\",reason=\"pull\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_commands_total{command=\"get\",class=\"read\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_shard_up{pool=\"main\",shard=\"a\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_errors_total{kind=\"uncertain\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_sagas_running{pool=\"main\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_rebalance_active{pool=\"main\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("\nringmaster_rebalance_donor_keys{pool=\"main\",shard=\"a\"} 12\n"));
}

TEST(MetricsPageTest, LeavesOutFamiliesWithoutSamples) {
  Overview all = Everything();
  all.rebalances.back().donors.clear();
  EXPECT_THAT(MetricsPage(all), Not(HasSubstr("donor_keys")));
}

// RM_UPDATE=1 writes it anew.
TEST(MetricsDocumentTest, ListsEveryFamilyAsItIs) {
  const std::string file = SourceFile("docs/metrics.md");
  if (std::getenv("RM_UPDATE") != nullptr) std::ofstream(file) << DescribeMetrics();
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), DescribeMetrics()) << "run this test with RM_UPDATE=1";
}

}  // namespace
}  // namespace ringmaster
