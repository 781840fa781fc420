#include "schedule/grain.h"

#include <algorithm>

namespace ringmaster {
namespace {

constexpr double kWeight = 0.2;  // of the last request
constexpr double kLeast = 0.05;  // nanoseconds: faster is a clock's mistake
// One that was held up is no more than so many times what was known.
constexpr double kOutlier = 4;

}  // namespace

void Grain::OnRequest(uint64_t amount, Duration took, Duration round_trip) {
  if (amount == 0) return;
  const auto time = static_cast<double>(std::max(took - round_trip, Duration(0)).count());
  const double each = std::min(time / static_cast<double>(amount), each_ * kOutlier);
  each_ = std::max(each_ + kWeight * (each - each_), kLeast);
}

uint64_t Grain::Amount(Duration span, uint64_t least, uint64_t most) const {
  const double amount = static_cast<double>(span.count()) / each_;
  return amount >= static_cast<double>(most)
             ? most
             : std::max(static_cast<uint64_t>(std::max(amount, 0.0)), least);
}

}  // namespace ringmaster
