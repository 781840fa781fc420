#include "schedule/gathering.h"

#include <algorithm>
#include <numeric>

namespace ringmaster {

void Gathering::Update(size_t clients, std::span<const double> busy, TimePoint now) {
  if (busy.empty()) return;
  const double most = *std::max_element(busy.begin(), busy.end());
  const double all = std::accumulate(busy.begin(), busy.end(), 0.0);
  full_ = busy[kHome] >= rule_.full;
  const bool few = clients <= rule_.clients && rule_.clients > 0;
  if (!few || most >= rule_.full) together_ = false;
  if (!few || all >= rule_.fits) {
    calm_since_ = TimePoint::max();
    return;
  }
  calm_since_ = std::min(calm_since_, now);
  if (now - calm_since_ >= rule_.calm) together_ = true;
}

}  // namespace ringmaster
