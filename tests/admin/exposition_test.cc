#include "admin/exposition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace ringmaster {
namespace {

using testing::HasSubstr;

TEST(ExpositionTest, WritesHelpTypeAndSamplesAsPrometheusReadsThem) {
  std::string page;
  WriteFamilyHead(page, "x_total", "counter", "What is counted.");
  Samples samples(page, "x_total");
  samples.Add({}, 3);
  samples.Add({{"pool", "main"}, {"shard", "a"}}, 12345678901.0);
  EXPECT_EQ(page,
            "# HELP x_total What is counted.\n# TYPE x_total counter\nx_total 3\n"
            "x_total{pool=\"main\",shard=\"a\"} 12345678901\n");
}

TEST(ExpositionTest, LabelsAndHelpCannotBreakTheirLine) {
  std::string page;
  WriteFamilyHead(page, "x", "gauge", "one\ntwo \\ \"three\"");
  Samples(page, "x").Add({{"shard", "a\"b\\c\nd"}}, 0.5);
  EXPECT_EQ(
      page,
      "# HELP x one\\ntwo \\\\ \"three\"\n# TYPE x gauge\nx{shard=\"a\\\"b\\\\c\\nd\"} 0.5\n");
}

TEST(ExpositionTest, LargeCountsKeepTheirLastDigit) {
  std::string page;
  Samples(page, "x").Add({}, 9007199254740991.0);
  EXPECT_EQ(page, "x 9007199254740991\n");
}

TEST(ExpositionTest, HistogramsAreCumulativeAndEndWithAll) {
  const auto histogram = std::make_unique<Histogram>();
  histogram->Record(std::chrono::microseconds(3));
  histogram->Record(std::chrono::microseconds(15));
  histogram->Record(std::chrono::microseconds(17), 2);
  histogram->Record(std::chrono::seconds(100));
  HistogramSnapshot snapshot;
  snapshot.Add(*histogram);
  std::string page;
  Samples(page, "x_seconds").Add({{"worker", "0"}}, BucketsOf(snapshot));
  EXPECT_THAT(page, HasSubstr("x_seconds_bucket{worker=\"0\",le=\"1.6e-05\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("x_seconds_bucket{worker=\"0\",le=\"3.2e-05\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("x_seconds_bucket{worker=\"0\",le=\"33.554432\"} 4\n"));
  EXPECT_THAT(page, HasSubstr("x_seconds_bucket{worker=\"0\",le=\"+Inf\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("x_seconds_sum{worker=\"0\"} 100.000052\n"));
  EXPECT_THAT(page, HasSubstr("x_seconds_count{worker=\"0\"} 5\n"));
}

TEST(ExpositionTest, BothKindsOfHistogramsAgreeOnTheirBounds) {
  const auto fine = std::make_unique<Histogram>();
  CommandMetrics coarse;
  // Bounds themselves aside: the one keeps whole microseconds, the other asks for "at most".
  for (const uint64_t micros : {1, 5, 15, 33, 100, 999, 5000, 70000, 2000000}) {
    fine->Record(std::chrono::microseconds(micros));
    coarse.Record(micros);
  }
  HistogramSnapshot snapshot;
  snapshot.Add(*fine);
  uint64_t buckets[CommandMetrics::kBuckets];
  for (size_t i = 0; i < CommandMetrics::kBuckets; ++i) buckets[i] = coarse.buckets[i].value();
  const BucketCounts a = BucketsOf(snapshot);
  const BucketCounts b = BucketsOf(buckets, CommandMetrics::kBuckets, coarse.micros.value());
  EXPECT_EQ(a.cumulative, b.cumulative);
  EXPECT_EQ(a.count, b.count);
  EXPECT_DOUBLE_EQ(a.sum, b.sum);
}

}  // namespace
}  // namespace ringmaster
