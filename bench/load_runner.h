// Puts the load on: one thread, epoll directly, one read and one write for each batch of a client.
// A client sends `pipeline` commands in one write and waits for all their replies. With a rate it
// sends on a timetable instead; a command whose turn comes while the one before is unanswered is
// sent late, and its latency counts from its turn, so that a stall hurts as it hurts a real user.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "load_histogram.h"
#include "load_plan.h"
#include "load_replies.h"
#include "load_requests.h"

namespace ringmaster::bench {

// What the measured time brought; the warm-up is in none of it.
struct Report {
  uint64_t requests = 0;
  double seconds = 0;
  Histogram latency;                         // nanoseconds from when the command was due
  Histogram service;                         // with a rate: nanoseconds from when it was sent
  Faults faults;                             // of the warm-up too
  std::vector<std::optional<uint64_t>> cpu;  // nanoseconds, for each of Plan::processes
  uint64_t own_cpu = 0;                      // the load generator's
};

class Runner {
 public:
  // `plan` must outlive it.
  explicit Runner(const Plan& plan);
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner();

  // Connects, writes the keys if so planned, puts the load on and measures. An error means that
  // there is nothing to report; faults of single replies are in the report.
  Result<Report> Run();

 private:
  struct Client {
    Client(const Plan& plan, const Templates& templates, Faults& faults, uint64_t seed)
        : random(seed), batch(templates, plan.pipeline), replies(plan, faults) {}
    int fd = -1;
    Random random;
    Batch batch;
    ReplyChecker replies;
    TimePoint due;   // of the batch in flight, or with a rate of the next command
    TimePoint sent;  // of the batch in flight
    bool waits_for_room = false;
  };

  Status Connect();
  Status Preload();
  void Drain();
  void Start(Client& client, TimePoint now);
  void StartDue(TimePoint now);
  void Flush(Client& client);
  void OnReadable(Client& client);
  void Finish(Client& client, Bytes input);
  void Lose(Client& client, Bytes why);
  void Watch(Client& client, bool for_room);
  void ArmTimer();
  void TakeCpu();
  void Turn(int timeout_milliseconds);

  const Plan& plan_;
  const Templates templates_;
  Report report_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Client*> idle_;  // with a rate: those that wait for their turn
  std::vector<char> input_;
  std::vector<uint64_t> keys_;  // of the command being made
  int epoll_ = -1;
  int timer_ = -1;
  size_t alive_ = 0;
  uint64_t answered_ = 0;
  bool measuring_ = false;
  bool stopping_ = false;
};

}  // namespace ringmaster::bench
