#include "histories/history.h"

#include "histories/workloads.h"

namespace ringmaster::histories {

Verdict RunHistory(uint64_t seed, Fault fault, Duration how_long, int clients) {
  Verdict verdict;
  World world(seed, fault);
  Workloads workloads(world.proxy(), seed, clients);
  if (!world.serving() || !workloads.Fill()) {
    verdict.anomalies.emplace_back("it could not begin");
    verdict.log = world.Log();
    return verdict;
  }
  workloads.Start();
  world.Run(how_long, workloads.restarts);
  const std::string ill = world.Heal();
  workloads.Stop();
  if (ill.empty()) {
    verdict.anomalies = workloads.Check();
  } else {
    verdict.anomalies.push_back(ill);
  }
  verdict.operations = workloads.operations();
  verdict.failed = workloads.failed();
  verdict.unknown = workloads.unknown();
  verdict.scans = workloads.scans();
  verdict.moves = world.epoch() - 1;
  verdict.faults = world.faults();
  verdict.log = world.Log() + workloads.details();
  return verdict;
}

}  // namespace ringmaster::histories
