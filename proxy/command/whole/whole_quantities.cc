#include "command/whole/whole_quantities.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "command/whole/config_names.h"

namespace ringmaster {
namespace {

constexpr Bytes kMaxMemory = "maxmemory";

struct Unit {
  Bytes name;
  uint64_t factor;
};
constexpr Unit kUnits[] = {{"", 1},           {"b", 1},
                           {"k", 1000},       {"kb", 1024},
                           {"m", 1000000},    {"mb", 1024 * 1024},
                           {"g", 1000000000}, {"gb", 1024 * 1024 * 1024}};

// As Redis reads one: digits and a unit.
std::optional<uint64_t> ParseQuantity(Bytes text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<int64_t> number = ParseInteger(text.substr(0, digits));
  if (!number || *number < 0) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (!EqualsIgnoreCase(text.substr(digits), unit.name)) continue;
    const auto count = static_cast<uint64_t>(*number);
    if (count > std::numeric_limits<int64_t>::max() / unit.factor) return std::nullopt;
    return count * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

bool IsQuantityOfAll(Bytes parameter) {
  return FindConfigName(parameter).owner == ConfigOwner::kShares;
}

bool IsMemoryOfAll(Bytes parameter) { return EqualsIgnoreCase(parameter, kMaxMemory); }

std::vector<std::string> SharesOf(Bytes value, const std::vector<uint32_t>& weights,
                                  const std::vector<uint64_t>& used) {
  const std::optional<uint64_t> quantity = ParseQuantity(value);
  if (!quantity) return {};
  const uint64_t in_use = std::accumulate(used.begin(), used.end(), uint64_t{0});
  const bool enough = !used.empty() && in_use < *quantity;
  const uint64_t rest = enough ? *quantity - in_use : *quantity;
  const uint64_t all = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
  // Where the parts of the first shards end, so that what rounding leaves is not lost.
  const auto up_to = [&](uint64_t weight) {
    return rest / all * weight + rest % all * weight / all;
  };
  std::vector<std::string> shares;
  uint64_t before = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t after = before + weights[i];
    const uint64_t share = up_to(after) - up_to(before) + (enough ? used[i] : 0);
    shares.push_back(std::to_string(*quantity == 0 ? 0 : std::max<uint64_t>(share, 1)));
    before = after;
  }
  return shares;
}

std::optional<std::string> SumOfShares(const std::vector<Bytes>& values) {
  uint64_t sum = 0;
  bool unlimited = false;
  for (const Bytes value : values) {
    const std::optional<uint64_t> share = ParseQuantity(value);
    if (!share || *share > std::numeric_limits<uint64_t>::max() - sum) return std::nullopt;
    unlimited |= *share == 0;
    sum += *share;
  }
  return std::to_string(unlimited ? 0 : sum);
}

}  // namespace ringmaster
