#include "metrics/metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace ringmaster {
namespace {

using std::chrono::microseconds;

TEST(CounterTest, ShowsAnyThreadWhatItsOwnerCounted) {
  Counter counter;
  std::thread owner([&counter] {
    for (int i = 0; i < 1000; ++i) counter.Add(2);
    counter.Subtract(500);
  });
  owner.join();
  EXPECT_EQ(counter.value(), 1500U);
}

TEST(HistogramTest, EachValueFallsIntoTheBucketWhoseBoundIsAtMostAnEighthAboveIt) {
  for (uint64_t value = 0; value < (uint64_t{1} << 35); value = value + 1 + value / 97) {
    const uint64_t bound = Histogram::UpperBound(Histogram::BucketOf(value));
    ASSERT_GE(bound, value);
    ASSERT_LE(bound - value, value / 8) << value;
  }
}

TEST(HistogramTest, BucketsTouchWithoutGapOrOverlap) {
  for (size_t bucket = 0; bucket + 1 < Histogram::kBuckets; ++bucket) {
    const uint64_t bound = Histogram::UpperBound(bucket);
    ASSERT_EQ(Histogram::BucketOf(bound), bucket);
    ASSERT_EQ(Histogram::BucketOf(bound + 1), bucket + 1);
  }
}

TEST(HistogramTest, WhatIsTooLongForItCountsInItsLastBucket) {
  Histogram histogram;
  histogram.Record(std::chrono::hours(10000));
  EXPECT_EQ(histogram.bucket(Histogram::kBuckets - 1), 1U);
}

TEST(HistogramTest, ClockThatStepsBackCountsAsZero) {
  Histogram histogram;
  histogram.Record(microseconds(-5));
  EXPECT_EQ(histogram.bucket(0), 1U);
  EXPECT_EQ(histogram.sum_micros(), 0U);
}

TEST(HistogramSnapshotTest, PercentilesAreThoseOfAllThatWasAdded) {
  Histogram fast, slow;
  for (int i = 0; i < 99; ++i) fast.Record(microseconds(100));
  slow.Record(microseconds(5000));
  HistogramSnapshot sum;
  sum.Add(fast);
  sum.Add(slow);
  EXPECT_EQ(sum.count(), 100U);
  EXPECT_EQ(sum.sum_micros(), 99 * 100U + 5000U);
  EXPECT_EQ(sum.Percentile(0.5), Histogram::UpperBound(Histogram::BucketOf(100)));
  EXPECT_EQ(sum.Percentile(0.99), Histogram::UpperBound(Histogram::BucketOf(100)));
  EXPECT_EQ(sum.Percentile(0.999), Histogram::UpperBound(Histogram::BucketOf(5000)));
}

TEST(HistogramSnapshotTest, SumOfSnapshotsIsTheSnapshotOfAll) {
  Histogram one, two;
  one.Record(microseconds(3), 7);
  two.Record(microseconds(900), 2);
  HistogramSnapshot first, second, both;
  first.Add(one);
  second.Add(two);
  both.Add(one);
  both.Add(two);
  first.Add(second);
  EXPECT_EQ(first.count(), both.count());
  EXPECT_EQ(first.sum_micros(), both.sum_micros());
  EXPECT_EQ(first.Percentile(1.0), both.Percentile(1.0));
}

TEST(HistogramSnapshotTest, NothingRecordedHasPercentileZero) {
  EXPECT_EQ(HistogramSnapshot().Percentile(0.99), 0U);
}

}  // namespace
}  // namespace ringmaster
