// simulate [--seeds N] [--from SEED] [--no-fences] [--trace]: runs that many seeds, prints the
// first that fails.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "saga/simulator/world.h"

int main(int argc, char** argv) {
  uint64_t seeds = 20000, from = 1;
  ringmaster::sim::Options options;
  for (int i = 1; i < argc; ++i) {
    const bool value = i + 1 < argc;
    if (std::strcmp(argv[i], "--seeds") == 0 && value) {
      seeds = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--from") == 0 && value) {
      from = std::strtoull(argv[++i], nullptr, 10);
    } else if (std::strcmp(argv[i], "--no-fences") == 0) {
      options.fences = false;
    } else if (std::strcmp(argv[i], "--trace") == 0) {
      options.trace = true;
    } else {
      std::fprintf(stderr, "usage: simulate [--seeds N] [--from SEED] [--no-fences] [--trace]\n");
      return 2;
    }
  }
  const auto start = std::chrono::steady_clock::now();
  ringmaster::sim::Figures sum;
  for (uint64_t seed = from; seed < from + seeds; ++seed) {
    const ringmaster::sim::Outcome outcome = ringmaster::sim::Simulate(seed, options);
    if (!outcome.violation.empty()) {
      std::printf("seed %llu: %s\nrepeat it with --seeds 1 --from %llu%s\n",
                  static_cast<unsigned long long>(seed), outcome.violation.c_str(),
                  static_cast<unsigned long long>(seed), options.fences ? "" : " --no-fences");
      return 1;
    }
    const ringmaster::sim::Figures& each = outcome.figures;
    sum.sagas += each.sagas, sum.committed += each.committed, sum.refused += each.refused;
    sum.undone += each.undone, sum.poisoned += each.poisoned, sum.recovered += each.recovered;
    sum.proxy_kills += each.proxy_kills, sum.shard_kills += each.shard_kills;
    sum.cuts += each.cuts, sum.events += each.events;
    sum.interfered += each.interfered, sum.done_again += each.done_again;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto n = [](uint64_t value) { return static_cast<unsigned long long>(value); };
  std::printf(
      "%llu seeds in %.1f s, no violation: %llu sagas (%llu committed, %llu refused, %llu not "
      "applied, %llu conflicts with outside writers), %llu interfered with and %llu done at "
      "another "
      "try, %llu recovered after %llu kills of the "
      "proxy, "
      "%llu kills of shards, %llu cuts, %llu events\n",
      n(seeds), took.count(), n(sum.sagas), n(sum.committed), n(sum.refused), n(sum.undone),
      n(sum.poisoned), n(sum.interfered), n(sum.done_again), n(sum.recovered), n(sum.proxy_kills),
      n(sum.shard_kills), n(sum.cuts), n(sum.events));
  return 0;
}
