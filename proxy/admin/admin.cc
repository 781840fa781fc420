#include "admin/admin.h"

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
      "/healthz         200 while the process works\n"
      "/readyz          200 while clients can be served, otherwise 503 and why not\n";
  for (const JsonPage& page : JsonPages()) {
    std::string path = page.path;
    path.resize(17, ' ');
    text += path + page.says + "\n";
  }
  return text;
}

}  // namespace

Admin::Admin(AdminSource source)
    : source_(std::move(source)),
      http_([this](const HttpRequest& request) { return Answer(request); }) {}

HttpResponse Admin::Answer(const HttpRequest& request) const {
  if (request.path == "/healthz") return {.body = "ok\n"};
  if (request.path == "/readyz") return Ready();
  if (request.path == "/metrics") {
    return Page(AdminSource::Sagas::kCounts, kExposition, MetricsPage);
  }
  for (const JsonPage& page : JsonPages()) {
    if (request.path != page.path) continue;
    const auto sagas =
        page.with_sagas ? AdminSource::Sagas::kOpenOnes : AdminSource::Sagas::kCounts;
    return Page(sagas, kJson, page.make);
  }
  if (request.path == "/") return {.body = ListOfPages()};
  return {.status = 404, .body = "There is no such page; / lists them.\n"};
}

HttpResponse Admin::Ready() const {
  const Status ready = source_.ready();
  if (ready) return {.body = "ready\n"};
  return {.status = 503, .body = "not ready: " + ready.error().text + "\n"};
}

template <typename Make>
HttpResponse Admin::Page(AdminSource::Sagas sagas, const char* type, Make&& make) const {
  const Result<Overview> overview = source_.overview(sagas);
  if (!overview) return {.status = 503, .body = overview.error().text + "\n"};
  return {.type = type, .body = make(*overview)};
}

}  // namespace ringmaster
