// What the admin pages are made of. Sockets are accepted and answered on admin/'s threads, also
// while the main thread stands still; pages ask that thread for an Overview: it reads the workers'
// counters, which any thread may, and its own parts. No worker notices; only the list of open sagas
// is asked from them, by a message.
//
// Owner: the server, on the main thread, except where it says "any thread".
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/admin.h"
#include "base/result.h"
#include "config/config.h"

namespace ringmaster {

class Background;
class CommandTable;
class Mailbox;
class Rebalancer;
class State;
class Watchdog;
class WorkerGroup;
struct ServerStatus;

// What overviews are made of; read on the main thread, but for the watchdog. Outlives them.
struct OverviewSources {
  Mailbox& mailbox;  // of the main thread
  const ServerStatus& status;
  const CommandTable& table;
  WorkerGroup& workers;
  const std::vector<std::unique_ptr<Rebalancer>>& rebalancers;  // by pool
  const State& state;
  const Background& background;
  Watchdog& watchdog;
};

class Overviews {
 public:
  // The threads that answer begin. Also where nobody listens for them so far: a reload that is
  // refused leaves no thread behind, and one that is taken needs none.
  explicit Overviews(const OverviewSources& from);
  // Ends them. Before the workers end; nothing is served any more.
  ~Overviews();
  Overviews(const Overviews&) = delete;
  Overviews& operator=(const Overviews&) = delete;

  // Accepts on a socket that listens, in place of the one before; below zero: on none.
  void Use(const AdminConfig& config, int fd);
  // A connected, non-blocking socket; closes it.
  void Serve(int fd) { admin_->Serve(fd); }

 private:
  struct Reach;
  template <typename Value>
  Result<Value> FromMainThread(std::function<void(std::function<void(Value)>)> make);
  Result<Overview> Take(AdminSource::Sagas sagas);  // any thread
  Result<std::string> CheckReady();                 // any thread
  std::vector<Reach> Reaches() const;
  void Fill(Overview& out) const;
  void FillWorkers(Overview& out) const;
  void FillCommands(Overview& out) const;
  void FillShards(Overview& out) const;
  void FillSagas(Overview& out) const;
  void FillBackground(Overview& out) const;
  void AskForSagas(Overview overview, std::function<void(Overview)> done) const;

  const OverviewSources from_;
  mutable std::vector<double> busy_told_;  // seconds, of each worker; the main thread's
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Admin> admin_;
};

}  // namespace ringmaster
