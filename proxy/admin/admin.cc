#include "admin/admin.h"

#include <pthread.h>

#include <exception>
#include <future>
#include <utility>

#include "admin/families.h"
#include "admin/json_pages.h"

namespace ringmaster {
namespace {

constexpr char kExposition[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kJson[] = "application/json";

std::string ListOfPages() {
  std::string text =
      "/metrics         for Prometheus (docs/metrics.md)\n"
      "/healthz         200 while the process works, 503 and where while a thread stands still\n"
      "/readyz          200 while clients can be served, otherwise 503 and why not\n";
  for (const JsonPage& page : JsonPages()) {
    std::string path = page.path;
    path.resize(17, ' ');
    text += path + page.says + "\n";
  }
  return text;
}

HttpResponse Guarded(const std::function<HttpResponse()>& make) {
  try {
    return make();
  } catch (const std::exception& error) {
    return {.status = 500, .body = std::string("this went wrong: ") + error.what() + "\n"};
  }
}

}  // namespace

Admin::Admin(AdminSource source, const HttpLimits& limits) : source_(std::move(source)) {
  std::promise<void> made;
  thread_ = std::thread([this, limits, &made] {
    loop_ = std::make_unique<Loop>();
    mailbox_ = std::make_unique<Mailbox>(*loop_);
    http_ = std::make_unique<HttpServer>(
        *loop_,
        [this](const HttpRequest& request, HttpServer::Respond respond) {
          Answer(request, std::move(respond));
        },
        limits);
    made.set_value();
    loop_->Run();
    listener_.reset();
    ask_ready_.clear();
    http_.reset();
    mailbox_.reset();
    loop_.reset();
  });
  pthread_setname_np(thread_.native_handle(), "admin");
  made.get_future().wait();
}

Admin::~Admin() {
  // What these make is posted to the thread, which is there until they have ended.
  pages_.Stop();
  readiness_.Stop();
  mailbox_->Post([this] { loop_->Stop(); });
  thread_.join();
}

void Admin::RunOnThread(std::function<void()> what) {
  std::promise<void> done;
  mailbox_->Post([&] {
    what();
    done.set_value();
  });
  done.get_future().wait();
}

void Admin::Listen(int fd) {
  RunOnThread([this, fd] {
    listener_.reset();
    if (fd >= 0) {
      listener_ = Listener::Adopt(*loop_, fd, [this](int accepted) { http_->Serve(accepted); });
    }
  });
}

void Admin::SetHosts(HttpHosts hosts) {
  RunOnThread([&] { http_->SetHosts(std::move(hosts)); });
}

void Admin::Serve(int fd) {
  mailbox_->Post([this, fd] { http_->Serve(fd); });
}

void Admin::Answer(const HttpRequest& request, HttpServer::Respond respond) {
  if (request.path == "/healthz") return respond(Health());
  if (request.path == "/readyz") return AskIfReady(std::move(respond));
  if (request.path == "/metrics") {
    return Make([this] { return MakePage(AdminSource::Sagas::kCounts, kExposition, MetricsPage); },
                std::move(respond));
  }
  for (const JsonPage& page : JsonPages()) {
    if (request.path != page.path) continue;
    const auto sagas =
        page.with_sagas ? AdminSource::Sagas::kOpenOnes : AdminSource::Sagas::kCounts;
    return Make([this, sagas, &page] { return MakePage(sagas, kJson, page.make); },
                std::move(respond));
  }
  if (request.path == "/") return respond({.body = ListOfPages()});
  respond({.status = 404, .body = "There is no such page; / lists them.\n"});
}

HttpResponse Admin::Health() const {
  const std::string stalls = source_.stalls();
  if (stalls.empty()) return {.body = "ok\n"};
  return {.status = 503, .body = stalls};
}

// Whoever asks while a check is under way gets the answer of the next one, together with all
// others: any number of probes costs one check at a time.
void Admin::AskIfReady(HttpServer::Respond respond) {
  ask_ready_.push_back(std::move(respond));
  if (std::exchange(checking_, true)) return;
  readiness_.Run([this, asking = std::exchange(ask_ready_, {})]() mutable {
    const HttpResponse response = Guarded([this]() -> HttpResponse {
      const Result<std::string> ready = source_.ready();
      if (ready) return {.body = "ready\n" + *ready};
      return {.status = 503, .body = "not ready: " + ready.error().text + "\n"};
    });
    mailbox_->Post([this, response, asking = std::move(asking)] {
      for (const HttpServer::Respond& each : asking) each(response);
      checking_ = false;
      if (ask_ready_.empty()) return;
      HttpServer::Respond last = std::move(ask_ready_.back());
      ask_ready_.pop_back();
      AskIfReady(std::move(last));
    });
  });
}

void Admin::Make(std::function<HttpResponse()> make, HttpServer::Respond respond) {
  if (pages_waiting_ >= kMostPages) {
    return respond({.status = 503, .body = "Too many pages are being made; try again.\n"});
  }
  ++pages_waiting_;
  pages_.Run([this, make = std::move(make), respond = std::move(respond)] {
    mailbox_->Post([this, response = Guarded(make), respond] {
      --pages_waiting_;
      respond(response);
    });
  });
}

template <typename Page>
HttpResponse Admin::MakePage(AdminSource::Sagas sagas, const char* type, Page&& page) const {
  const Result<Overview> overview = source_.overview(sagas);
  if (!overview) return {.status = 503, .body = overview.error().text + "\n"};
  return {.type = type, .body = page(*overview)};
}

}  // namespace ringmaster
