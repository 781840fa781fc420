#include "schedule/window.h"

#include <cmath>

namespace ringmaster {
namespace {

uint32_t Short(Duration trip) {
  return static_cast<uint32_t>(std::clamp<Duration::rep>(trip.count(), 0, UINT32_MAX));
}

}  // namespace

bool WindowGroup::Contended(const Window* self, TimePoint now) const {
  const TimePoint at = std::max(latest_ == self ? others_at_ : latest_at_, elsewhere_at_);
  return at != TimePoint::min() && now - at <= rule_.hold;
}

void WindowGroup::OnInteractive(const Window* who, TimePoint now) {
  if (latest_ != who) {
    others_at_ = latest_at_;
    latest_ = who;
  }
  latest_at_ = now;
}

uint32_t WindowGroup::Epoch(TimePoint now) {
  if (now >= epoch_end_) {
    ++epoch_;
    epoch_end_ = now + rule_.relearn;
  }
  return epoch_;
}

// A trip that brings the average down opens it again.
void Window::OnLarger(uint64_t bytes) {
  bytes_each_ = bytes;
  size_ = std::min(size_, Cap());
}

uint32_t Window::Cap() const {
  const WindowRule& rule = group_.rule();
  const uint64_t fit = rule.cap_bytes / std::max<uint64_t>(bytes_each_, 1);
  return static_cast<uint32_t>(std::clamp<uint64_t>(fit, 1, std::max<uint32_t>(1, rule.cap)));
}

// With values so large that the floor's worth of them would fill the way, fewer.
uint32_t Window::Floor() const {
  const WindowRule& rule = group_.rule();
  const uint64_t fit = rule.floor_bytes / std::max<uint64_t>(bytes_each_, 1);
  return static_cast<uint32_t>(
      std::clamp<uint64_t>(fit, 1, std::max<uint32_t>(1, std::min(rule.floor, rule.cap))));
}

Duration Window::Target() const {
  const double share = 0.5 + 4 / std::sqrt(static_cast<double>(std::max<uint32_t>(1, size_)));
  return Duration(
      static_cast<Duration::rep>(static_cast<double>(group_.rule().target.count()) * share));
}

void Window::EndTrip(TimePoint now) {
  on_trip_ = false;
  bytes_each_ = trip_bytes_ / std::max<uint32_t>(trip_commands_, 1);
  trip_bytes_ = 0;
  trip_commands_ = 0;
  const bool used_up = peak_ >= size_;
  const bool calm = !used_up && peak_ <= group_.rule().floor;
  peak_ = 0;
  calm_trips_ = calm ? static_cast<uint8_t>(std::min(calm_trips_ + 1, int{kCalmTrips})) : 0;
  if (interactive()) group_.OnInteractive(this, now);
  const Duration trip = std::max(now - sent_at_, Duration(1));
  Learn(trip, now);
  Adapt(trip, used_up, now);
}

void Window::Learn(Duration trip, TimePoint now) {
  if (least_since_ == TimePoint::min()) least_since_ = now;
  if (now - least_since_ >= group_.rule().relearn) {
    least_before_ = least_;
    least_ = UINT32_MAX;
    least_since_ = now;
  }
  least_ = std::min(least_, Short(trip));
}

void Window::Adapt(Duration trip, bool used_up, TimePoint now) {
  const bool was_contended = contended_;
  contended_ = group_.Contended(this, now);
  if (!contended_) {
    size_ = std::min(Cap(), std::max<uint32_t>(1, size_) * 2);
    return;
  }
  const uint32_t epoch = group_.Epoch(now);
  if (!was_contended || epoch != epoch_) {
    epoch_ = epoch;
    size_ = std::min(size_, Floor());
    doubling_ = true;
    long_trips_ = 0;
    return;
  }
  const Duration allowed = Duration(std::min(least_, least_before_)) + Target();
  if (trip > allowed) return OnLongTrip(trip, allowed);
  long_trips_ = 0;
  size_ = std::min(Cap(), !used_up ? size_ : doubling_ ? size_ * 2 : size_ + 2);
}

void Window::OnLongTrip(Duration trip, Duration allowed) {
  doubling_ = false;
  shortest_long_ = long_trips_ == 0 ? Short(trip) : std::min(shortest_long_, Short(trip));
  if (++long_trips_ < kLongTrips) return;
  long_trips_ = 0;
  const double factor =
      static_cast<double>(allowed.count()) / static_cast<double>(std::max(shortest_long_, 1U));
  const auto shrunk = static_cast<uint32_t>(static_cast<double>(size_) * std::max(factor, 0.5));
  size_ = std::max(Floor(), std::min(shrunk, size_));
}

}  // namespace ringmaster
