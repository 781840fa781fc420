// The admin listener and what its pages are made of. Sockets are accepted on the main loop and
// answered on admin/'s threads, which ask the main thread for an Overview: it reads the workers'
// counters, which any thread may, and its own parts. No worker notices; only the list of open sagas
// is asked from them, by a message.
//
// Owner: the server, on the main thread, except where it says "any thread".
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/admin.h"
#include "base/address.h"
#include "base/result.h"
#include "net/listener.h"

namespace ringmaster {

class Loop;
class Server;

class Observer {
 public:
  Observer(Server& server, Loop& loop);
  ~Observer();

  // Opens what Use() then takes: nothing when the address stays.
  using Opened = std::optional<std::unique_ptr<Listener>>;
  Result<Opened> Open(const std::optional<Address>& address);
  void Use(Opened opened);
  // Ends the listener and the threads. Before the workers end.
  void Stop();

 private:
  struct Reach;
  template <typename Value>
  Result<Value> FromMainThread(std::function<void(std::function<void(Value)>)> make);
  Result<Overview> Take(AdminSource::Sagas sagas);  // any thread
  Status CheckReady();                              // any thread
  std::vector<Reach> Reaches() const;
  void Fill(Overview& out) const;
  void FillWorkers(Overview& out) const;
  void FillCommands(Overview& out) const;
  void FillShards(Overview& out) const;
  void FillSagas(Overview& out) const;
  void FillBackground(Overview& out) const;
  void AskForSagas(Overview overview, std::function<void(Overview)> done) const;

  Server& server_;
  Loop& loop_;
  const double started_unix_;
  mutable std::vector<double> busy_told_;  // seconds, of each worker; the main thread's
  std::atomic<bool> stopping_{false};
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Admin> admin_;  // made with the first listener
};

}  // namespace ringmaster
