#include "worker/migrations.h"

#include <algorithm>
#include <utility>

#include "session/session.h"

namespace ringmaster {
namespace {

constexpr Duration kPatience = std::chrono::milliseconds(100);

}  // namespace

void Migrations::Begin(Session& session, size_t pool, const MigrationOrder& order, TimePoint now) {
  leaving_.push_back({&session, pool, order, now + kPatience});
  session.SetLeaving(true);
}

std::vector<uint64_t> Migrations::Settle(TimePoint now,
                                         const std::function<bool(const Leaving&)>& go) {
  std::vector<uint64_t> stay;
  std::erase_if(leaving_, [&](const Leaving& leaving) {
    if (leaving.session->quiet()) {
      if (go(leaving)) return true;
    } else if (now < leaving.until && !leaving.session->closed()) {
      return false;
    }
    leaving.session->SetLeaving(false);
    stay.push_back(leaving.order.id);
    return true;
  });
  return stay;
}

std::vector<uint64_t> Migrations::CancelAll() {
  std::vector<uint64_t> stay;
  for (const Leaving& leaving : std::exchange(leaving_, {})) {
    leaving.session->SetLeaving(false);
    stay.push_back(leaving.order.id);
  }
  return stay;
}

void Migrations::Forget(const Session& session) {
  std::erase_if(leaving_, [&](const Leaving& leaving) { return leaving.session == &session; });
}

}  // namespace ringmaster
