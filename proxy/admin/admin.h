// The pages of the admin listener.
//
// A thread and loop of its own accept, read and write, and answer /healthz: nothing that stands
// still elsewhere keeps a probe from its answer. What may take a moment is made on two more
// threads: pages on one, /readyz on the other, so that no probe waits behind a page.
//
// Owner: the server.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "admin/http_server.h"
#include "admin/overview.h"
#include "base/executor.h"
#include "base/result.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/mailbox.h"

namespace ringmaster {

// What the pages are made of. Any thread.
struct AdminSource {
  enum class Sagas : uint8_t { kCounts, kOpenOnes };
  // May take a moment and ends by itself: an error when the process is too busy to tell, or stops.
  std::function<Result<Overview>(Sagas sagas)> overview;
  // Clients can be served: listeners are open, and every pool has a shard that answers. What an
  // operator should know all the same, a line each; empty: nothing. As long as overview.
  std::function<Result<std::string>()> ready;
  // The threads that stand still, a line each; empty: all work. Waits for nobody.
  std::function<std::string()> stalls;
};

class Admin {
 public:
  explicit Admin(AdminSource source, const HttpLimits& limits = {});
  // Waits for what is being made.
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  // Takes over a socket that listens, in place of the one before, which is closed when this
  // returns; below zero: none.
  void Listen(int fd);
  void SetHosts(HttpHosts hosts);
  // A connected, non-blocking socket; closes it. Any thread.
  void Serve(int fd);

 private:
  // Pages that may wait for their turn; whoever asks for more is told 503.
  static constexpr size_t kMostPages = 8;

  void RunOnThread(std::function<void()> what);
  void Answer(const HttpRequest& request, HttpServer::Respond respond);
  HttpResponse Health() const;
  void AskIfReady(HttpServer::Respond respond);
  void Make(std::function<HttpResponse()> make, HttpServer::Respond respond);
  template <typename Page>
  HttpResponse MakePage(AdminSource::Sagas sagas, const char* type, Page&& page) const;

  const AdminSource source_;
  Executor pages_;
  Executor readiness_;
  size_t pages_waiting_ = 0;                    // this and the rest: on the thread
  std::vector<HttpServer::Respond> ask_ready_;  // of the check that comes next
  bool checking_ = false;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Mailbox> mailbox_;  // any thread
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

}  // namespace ringmaster
