// The load generator that bench/run drives: puts GET/SET or MGET/MSET load on one Redis, proxy or
// forwarder on this machine, checks every reply, and prints one line of JSON.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string>

#include "load_plan.h"
#include "load_runner.h"

namespace ringmaster::bench {
namespace {

constexpr double kMaxSeconds = 600;
constexpr uint64_t kMaxBuffers = uint64_t{2} << 30;

// About what the clients' batches take; values above a KiB are shared.
uint64_t BufferBytes(const Plan& plan) {
  constexpr uint64_t kAroundValue = 64;
  return uint64_t{plan.clients} * plan.pipeline * std::max(plan.multi, 1U) *
         (std::min(plan.value_size, 1024U) + kAroundValue);
}

void AddFlags(CLI::App& app, Plan& plan) {
  app.add_option("--host", plan.host, "loopback address (127.0.0.0/8)");
  app.add_option("--port", plan.port)->required();
  app.add_option("--clients", plan.clients)->check(CLI::Range(1, 10000));
  app.add_option("--busy-every", plan.busy_every, "of so many clients only the first says anything")
      ->check(CLI::Range(1, 10000));
  app.add_option("--pipeline", plan.pipeline, "commands that a client sends at once")
      ->check(CLI::Range(1, 10000));
  app.add_option("--value-size", plan.value_size)->check(CLI::Range(8, 64 << 20));
  app.add_option("--keys", plan.keys)->check(CLI::Range(1, 10'000'000));
  app.add_option("--prefix", plan.prefix, "of each key")->check([](const std::string& prefix) {
    return prefix.size() <= 64 ? std::string() : std::string("at most 64 bytes");
  });
  app.add_option("--multi", plan.multi, "MGET and MSET with so many keys")
      ->check(CLI::Range(0, 1000));
  app.add_option("--sets", plan.sets, "share of writes")->check(CLI::Range(0.0, 1.0));
  app.add_option("--rate", plan.rate, "commands a second and client; 0: no limit")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--seconds", plan.seconds, "measured")->check(CLI::Range(0.01, kMaxSeconds));
  app.add_option("--warmup", plan.warmup, "seconds before")->check(CLI::Range(0.0, kMaxSeconds));
  app.add_flag("--start-on-signal", plan.start_on_signal,
               "SIGUSR1 ends the warm-up before its time");
  app.add_option("--max-requests", plan.max_requests);
  app.add_option("--seed", plan.seed);
  app.add_flag("--preload", plan.preload, "write every key first");
  app.add_option("--cpu-of", plan.processes, "process ids whose CPU time to take");
}

bool IsLoopback(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out;
}

std::string Percentiles(const Histogram& latency) {
  const auto us = [](double nanoseconds) { return nanoseconds / 1000; };
  const auto at = [&](double share) { return us(static_cast<double>(latency.Percentile(share))); };
  return fmt::format(
      R"({{"mean":{:.1f},"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f}}})",
      us(latency.mean()), at(0.5), at(0.9), at(0.99), at(0.999),
      us(static_cast<double>(latency.largest())));
}

void Print(const Plan& plan, const Report& report) {
  std::string cpu;
  for (size_t index = 0; index < plan.processes.size(); ++index) {
    const std::string value =
        index < report.cpu.size() && report.cpu[index]
            ? fmt::format("{:.1f}", static_cast<double>(*report.cpu[index]) / 1000)
            : "null";
    cpu += fmt::format(R"({}"{}":{})", cpu.empty() ? "" : ",", plan.processes[index], value);
  }
  const std::string service = plan.rate > 0 ? Percentiles(report.service) : "null";
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.requests) / report.seconds : 0;
  fmt::print(R"({{"requests":{},"seconds":{:.4f},"throughput":{:.1f},"error_replies":{},)"
             R"("wrong_replies":{},"lost_connections":{},"first_fault":"{}","latency_us":{},)"
             R"("service_us":{},"cpu_us":{{{}}},"load_cpu_us":{:.1f}}})"
             "\n",
             report.requests, report.seconds, rate, report.faults.error_replies,
             report.faults.wrong_replies, report.faults.lost_connections,
             Escaped(report.faults.first), Percentiles(report.latency), service, cpu,
             static_cast<double>(report.own_cpu) / 1000);
}

int Main(int argc, char** argv) {
  Plan plan;
  CLI::App app{"Load generator for bench/run"};
  AddFlags(app, plan);
  CLI11_PARSE(app, argc, argv);
  if (!IsLoopback(plan.host)) {
    fmt::print(stderr, "--host must be within 127.0.0.0/8: this tool loads its own machine only\n");
    return 2;
  }
  if (plan.rate > 0 && plan.pipeline > 1) {
    fmt::print(stderr, "--rate sends one command at a time: leave --pipeline out\n");
    return 2;
  }
  if (BufferBytes(plan) > kMaxBuffers) {
    fmt::print(stderr,
               "fewer --clients, --pipeline or --multi: their commands do not fit in 2 GiB\n");
    return 2;
  }
  Runner runner(plan);
  const Result<Report> report = runner.Run();
  if (!report) {
    fmt::print(stderr, "{}\n", report.error().text);
    return 1;
  }
  Print(plan, *report);
  return report->faults.total() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ringmaster::bench

int main(int argc, char** argv) { return ringmaster::bench::Main(argc, argv); }
