// Runs histories one after the other; scripts/histories builds and starts it.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "histories/history.h"

namespace {

using namespace ringmaster;
using namespace ringmaster::histories;

int Usage() {
  fmt::print(stderr,
             "usage: histories [--count N] [--seconds N] [--clients N] [--seed N] [--fault NUMBER] "
             "[--logs FOLDER]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t count = 12, seconds = 30, clients = 16, seed = 1;
  int fault = -1;
  std::string logs;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--count")
      count = value;
    else if (name == "--seconds")
      seconds = value;
    else if (name == "--clients")
      clients = value;
    else if (name == "--seed")
      seed = value;
    else if (name == "--fault")
      fault = static_cast<int>(value % kFaults);
    else if (name == "--logs")
      logs = argv[i + 1];
    else
      return Usage();
  }
  if (argc % 2 == 0) return Usage();
  Verdict all;
  uint64_t bad = 0;
  for (uint64_t i = 0; i < count; ++i, ++seed) {
    const auto kind = static_cast<Fault>(fault >= 0 ? fault : static_cast<int>(seed % kFaults));
    const Verdict one =
        RunHistory(seed, kind, std::chrono::seconds(seconds), static_cast<int>(clients));
    fmt::print(
        "seed {} ({}): {} operations, {} failed, {} unknown, {} scans, {} moves, {} faults, "
        "{} anomalies\n",
        seed, FaultName(kind), one.operations, one.failed, one.unknown, one.scans, one.moves,
        one.faults, one.anomalies.size());
    for (size_t n = 0; n < one.anomalies.size() && n < 10; ++n) {
      fmt::print("    {}\n", one.anomalies[n]);
    }
    std::fflush(stdout);
    if (!one.anomalies.empty()) {
      ++bad;
      if (!logs.empty()) std::ofstream(fmt::format("{}/{}.log", logs, seed)) << one.log;
    }
    all.operations += one.operations;
    all.failed += one.failed;
    all.unknown += one.unknown;
    all.moves += one.moves;
    all.faults += one.faults;
  }
  fmt::print(
      "{} histories, {} operations ({} failed, {} unknown), {} moves, {} faults: {} with "
      "anomalies\n",
      count, all.operations, all.failed, all.unknown, all.moves, all.faults, bad);
  return bad == 0 ? 0 : 1;
}
