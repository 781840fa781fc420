// What it costs to find the shard of a key: ring lookup by distribution and number of shards, and
// each hash function by itself.
#include <benchmark/benchmark.h>

#include <string>

#include "base/random.h"
#include "ring/hash.h"
#include "ring/topology.h"

namespace ringmaster {
namespace {

// Different keys that a benchmark walks in turn, as overlapping pieces of one text: too many for
// the branch predictor to learn, while their bytes stay in the first cache as a fresh request's do.
class Keys {
 public:
  explicit Keys(size_t size) : size_(size) {
    Random random(1);
    while (text_.size() < kCount + size) text_.push_back(static_cast<char>('a' + random.Below(26)));
  }
  Bytes Next() {
    next_ = (next_ + 1) % kCount;
    return Bytes(text_).substr(next_, size_);
  }

 private:
  static constexpr size_t kCount = 16384;
  const size_t size_;
  std::string text_;
  size_t next_ = 0;
};

TopologySpec MakeSpec(DistributionKind distribution, int64_t shards) {
  TopologySpec spec;
  spec.distribution = distribution;
  for (int64_t i = 0; i < shards; ++i) {
    spec.shards.push_back({"shard" + std::to_string(i), "", 1});
  }
  return spec;
}

void BM_ShardOf(benchmark::State& state, DistributionKind distribution) {
  const auto topology = Topology::Build(MakeSpec(distribution, state.range(0)), 1).value();
  Keys keys(16);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(topology->ShardOf(keys.Next()));
}
BENCHMARK_CAPTURE(BM_ShardOf, ring, DistributionKind::kRing)->Arg(4)->Arg(16)->Arg(256);
BENCHMARK_CAPTURE(BM_ShardOf, ketama, DistributionKind::kKetama)->Arg(4)->Arg(16)->Arg(256);
BENCHMARK_CAPTURE(BM_ShardOf, modula, DistributionKind::kModula)->Arg(4)->Arg(16)->Arg(256);

void BM_Build(benchmark::State& state, DistributionKind distribution) {
  const TopologySpec spec = MakeSpec(distribution, state.range(0));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Topology::Build(spec, 1));
}
BENCHMARK_CAPTURE(BM_Build, ring, DistributionKind::kRing)
    ->Arg(4)
    ->Arg(256)
    ->Unit(benchmark::kMillisecond);

void BM_Hash(benchmark::State& state, HashKind kind) {
  Keys keys(static_cast<size_t>(state.range(0)));
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(Hash(kind, keys.Next()));
}
BENCHMARK_CAPTURE(BM_Hash, xxh3, HashKind::kXxh3)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, murmur, HashKind::kMurmur)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, crc16, HashKind::kCrc16)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, crc32, HashKind::kCrc32)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, crc32a, HashKind::kCrc32a)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, md5, HashKind::kMd5)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, fnv1_64, HashKind::kFnv1_64)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, fnv1a_64, HashKind::kFnv1a_64)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, fnv1_32, HashKind::kFnv1_32)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, fnv1a_32, HashKind::kFnv1a_32)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, hsieh, HashKind::kHsieh)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, jenkins, HashKind::kJenkins)->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(BM_Hash, one_at_a_time, HashKind::kOneAtATime)->Arg(16)->Arg(64);

}  // namespace
}  // namespace ringmaster
