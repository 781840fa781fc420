// The pages of the admin listener.
//
// Owner: the server. Serve() on its thread; pages are made on threads of the HTTP server.
#pragma once

#include <functional>
#include <string>

#include "admin/http_server.h"
#include "admin/overview.h"
#include "base/result.h"

namespace ringmaster {

// What the pages are made of. Any thread; both may take a moment and end by themselves.
struct AdminSource {
  enum class Sagas : uint8_t { kCounts, kOpenOnes };
  // An error when the process is too busy to tell, or stops.
  std::function<Result<Overview>(Sagas sagas)> overview;
  // Clients can be served: listeners are open, and every pool has a shard that answers.
  std::function<Status()> ready;
};

class Admin {
 public:
  explicit Admin(AdminSource source);

  // A connected, non-blocking socket; closes it.
  void Serve(int fd) { http_.Serve(fd); }

 private:
  HttpResponse Answer(const HttpRequest& request) const;
  HttpResponse Ready() const;
  template <typename Make>
  HttpResponse Page(AdminSource::Sagas sagas, const char* type, Make&& make) const;

  const AdminSource source_;
  HttpServer http_;  // last: its threads use what is above
};

}  // namespace ringmaster
