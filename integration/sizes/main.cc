// Runs the differential with sizes; scripts/sizes builds and starts it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <thread>

#include "sizes/bystander.h"
#include "sizes/round.h"
#include "support/proxy_process.h"
#include "support/redis_server.h"

namespace {

using namespace ringmaster;
using namespace ringmaster::sizes;
using namespace ringmaster::integration;

constexpr size_t kSlowestCarry = 200;  // bytes a microsecond, of a machine that others use, too

struct Options {
  std::map<std::string, int64_t> numbers = {
      {"--seconds", 60},        {"--seed", 1},         {"--clients", 5},
      {"--shards", 0},          {"--workers", 2},      {"--deadline-ms", 15000},
      {"--bystander-ms", 2000}, {"--only-client", -1}, {"--round", 0},
      {"--memory-mb", 1024},    {"--one-key", 0},
  };
  int64_t operator[](const std::string& name) const { return numbers.at(name); }
};

int Usage() {
  fmt::print(stderr,
             "usage: sizes [--seconds N] [--seed N] [--clients N] [--shards N] [--workers N] "
             "[--deadline-ms N] [--bystander-ms N] [--memory-mb N] [--one-key 1] "
             "[--only-client N --round N]\n");
  return 2;
}

ConfigText Config(const std::vector<std::unique_ptr<RedisServer>>& shards, int workers) {
  ConfigText config;
  config.workers = workers;
  config.log = "level: info";
  for (size_t i = 0; i < shards.size(); ++i) {
    config.pool().Shard("s" + std::to_string(i), shards[i]->address());
  }
  return config;
}

int Run(const Options& options) {
  const auto seed = static_cast<uint64_t>(options["--seed"]);
  const auto clients = static_cast<uint64_t>(options["--clients"]);
  const size_t count =
      options["--shards"] > 0 ? static_cast<size_t>(options["--shards"]) : 3 + seed % 2;
  RedisServer one;
  std::vector<std::unique_ptr<RedisServer>> shards;
  for (size_t i = 0; i < count; ++i) shards.push_back(std::make_unique<RedisServer>());
  ProxyProcess proxy(Config(shards, static_cast<int>(options["--workers"])));
  if (!proxy.serving()) {
    fmt::print("the proxy does not start:\n{}\n", proxy.Log());
    return 2;
  }
  Totals totals;
  Findings findings;
  Setting setting{.one = one.address(),
                  .proxy = proxy.address(),
                  .seed = seed,
                  .one_key = options["--one-key"] != 0,
                  .deadline = std::chrono::milliseconds(options["--deadline-ms"]),
                  .end = MonotonicNow() + std::chrono::seconds(options["--seconds"])};
  const auto limit = std::chrono::milliseconds(options["--bystander-ms"]);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> worst_us{0}, worst_of_one_us{0};
  const TimePoint began = MonotonicNow();
  const Duration patience = limit * 5;
  std::thread bystander(
      [&] { StandBy(proxy.address(), "the proxy", patience, stop, worst_us, findings); });
  std::thread control(
      [&] { StandBy(one.address(), "one Redis", patience, stop, worst_of_one_us, findings); });
  std::vector<std::thread> threads;
  const int64_t only = options["--only-client"];
  for (uint64_t client = 0; client < clients; ++client) {
    if (only >= 0 && client != static_cast<uint64_t>(only)) continue;
    threads.emplace_back([&, client] {
      RunClient(setting, client, static_cast<uint64_t>(options["--round"]), only >= 0, totals,
                findings);
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  bystander.join();
  control.join();
  // One Redis shows what the machine makes of the same load, of which the proxy is one process more
  // and its shards several. Held against each other at the end: a pause of the whole machine ends
  // for one of them first.
  // Whoever sent to a shard behind what turns out to have a large reply gets his own behind it: of
  // a gigabyte (a script that repeats its argument) that alone takes seconds.
  const Duration carried = std::chrono::microseconds(totals.largest.load() / kSlowestCarry);
  const Duration allowed =
      std::max<Duration>({limit, 3 * std::chrono::microseconds(worst_of_one_us), carried});
  if (std::chrono::microseconds(worst_us) > allowed) {
    findings.Add(fmt::format("a bystander of the proxy waited {} ms; {} are allowed",
                             worst_us / 1000, Milliseconds(allowed)));
  }
  const double seconds = static_cast<double>(Milliseconds(MonotonicNow() - began)) / 1000;
  const int64_t peak_mb = proxy.PeakKib() / 1024;
  if (MemoryIsItsOwn() && peak_mb > options["--memory-mb"]) {
    findings.Add(fmt::format("the proxy took {} MB", peak_mb));
  }
  if (!proxy.running()) findings.Add("the proxy has ended");
  if (!findings.any()) {
    const std::optional<int> status = proxy.Terminate(std::chrono::seconds(15));
    if (status != 0) findings.Add(fmt::format("SIGTERM: exit status {}", status.value_or(-1)));
  }
  if (proxy.Log().find("Sanitizer") != std::string::npos)
    findings.Add("a sanitizer found something");
  for (const std::string& finding : findings.all()) fmt::print("FOUND {}\n", finding);
  if (findings.any()) {
    const std::string log = proxy.Log();
    fmt::print("the proxy's log:\n{}\n", log.substr(log.size() > 8000 ? log.size() - 8000 : 0));
  }
  fmt::print(
      "seed {}, {} shards, {:.0f} s: {} commands in {} pipelines, {} waits, {} MB, the largest {} "
      "bytes; the proxy's peak {} MB; bystander's worst {} ms (one Redis {} ms): {}\n",
      seed, count, seconds, totals.commands.load(), totals.pipelines.load(), totals.waits.load(),
      totals.bytes >> 20, totals.largest.load(), peak_mb, worst_us / 1000, worst_of_one_us / 1000,
      findings.any() ? "FOUND something" : "nothing found");
  return findings.any() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const auto found = options.numbers.find(argv[i]);
    if (found == options.numbers.end() || i + 1 == argc) return Usage();
    found->second = std::strtoll(argv[i + 1], nullptr, 10);
  }
  return Run(options);
}
