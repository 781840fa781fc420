#include "route/router.h"

#include <utility>

namespace ringmaster {

void Router::Use(std::shared_ptr<const RouteSnapshot> snapshot) {
  std::vector<std::shared_ptr<Backend>> before;
  if (routes_ != nullptr) before = routes_->backends_;
  std::vector<std::shared_ptr<Backend>> next;
  std::vector<Backend*> at_hand;
  for (const std::shared_ptr<ShardLink>& link : snapshot->links) {
    std::shared_ptr<Backend> kept;
    for (auto& backend : before) {
      if (backend != nullptr && &backend->link() == link.get()) kept = std::move(backend);
    }
    if (kept == nullptr) {
      kept = std::make_shared<Backend>(context_, link, MetricsOf(link->name()), databases_);
    }
    at_hand.push_back(kept.get());
    next.push_back(std::move(kept));
  }
  for (auto& backend : before) {
    if (backend != nullptr) leaving_.push_back(std::move(backend));
  }
  routes_ = std::make_shared<const Routes>(std::move(snapshot), std::move(next), ++version_);
  backends_ = std::move(at_hand);
  topology_ = &routes_->topology();
  ++context_.route_epoch;
}

ShardMetrics& Router::MetricsOf(const std::string& name) {
  const MutexLock lock(metrics_mutex_);
  for (const NamedMetrics& known : metrics_) {
    if (known.name == name) return *known.metrics;
  }
  metrics_.push_back({name, std::make_unique<ShardMetrics>()});
  return *metrics_.back().metrics;
}

void Router::EachMetrics(
    const std::function<void(const std::string& shard, const ShardMetrics&)>& visit) const {
  const MutexLock lock(metrics_mutex_);
  for (const NamedMetrics& known : metrics_) visit(known.name, *known.metrics);
}

void Router::Tick(TimePoint now) {
  for (Backend* backend : backends_) {
    backend->Tick(now);
    backend->metrics().in_flight.Set(backend->queued());
  }
  for (const auto& backend : leaving_) backend->Tick(now);
  // Nobody holds a number of it any more.
  std::erase_if(leaving_,
                [](const auto& backend) { return backend->idle() && backend.use_count() == 1; });
}

void Router::Greet() {
  for (Backend* backend : backends_) {
    if (backend->link().TakeSuspicion()) backend->AskRole();
  }
  if (greeted_ == version_) return;
  bool known = true;
  for (const auto& backend : backends_) {
    if (backend->link().facts() != nullptr) continue;
    known = false;
    backend->Common(0, 2).Prepare();
  }
  if (known) greeted_ = version_;
}

bool Router::idle() const {
  for (const Backend* backend : backends_) {
    if (!backend->idle()) return false;
  }
  return leaving_.empty();
}

void Router::Close(const std::string& why) {
  context_.stopping = true;
  for (Backend* backend : backends_) backend->Close(why);
  for (const auto& backend : leaving_) backend->Close(why);
}

}  // namespace ringmaster
